//! One delivery attempt from beginning to end: signed, sent, recorded.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::envelope::{Actor, Position, Time, Version};
use domain::ids::{ClientId, EndpointId, event_type_id};
use domain::origin::Origin;
use domain::ports::deliveries::DueDelivery;
use domain::ports::vault::{Vault, VaultError};
use domain::ports::webhooks::{WebhookRequest, WebhookSender};
use domain::webhook::delivery::{Attempt, Cause, Delivery, DeliveryCommand, DeliveryRefusal, ErrorClass};
use domain::webhook::endpoint::{DisabledFor, Endpoint, EndpointCommand, EndpointRefusal};
use domain::webhook::headers::is_ours;
use domain::webhook::schedule::Schedule;
use domain::webhook::signing::{self, SigningSecret};
use lru::LruCache;
use parking_lot::Mutex;
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::target::Target;
use crate::context::{Appends, CommandContext};
use crate::runtime::{Runtime, TraceHooks};
use crate::session::{CommandError, Session};
use crate::signing::{NotOpened, open_headers, open_secrets};

/// Endpoints whose decrypted secrets are cached; at less than a kilobyte each, a few megabytes.
const OPENED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("nothing can be sent to the endpoint")]
pub struct NotMade(#[from] NotOpened);

impl NotMade {
    /// Whether every further try fails too, until an operator restores the key or the owner sets another secret.
    fn lasts(&self) -> bool {
        !matches!(self.0, NotOpened::Vault(VaultError::Unavailable(_)))
    }
}

/// The decrypted secrets and headers of an endpoint.
#[derive(Debug)]
struct Opened {
    secrets: Vec<(SigningSecret, Option<Time>)>,
    headers: Vec<(String, String)>,
}

type ByVersion = LruCache<EndpointId, (Version, Arc<Opened>)>;

/// Sends delivery attempts and records them.
pub struct DeliverySender {
    runtime: Runtime,
    vault: Arc<dyn Vault>,
    sender: Arc<dyn WebhookSender>,
    schedule: Arc<Schedule>,
    opened: Mutex<ByVersion>,
    /// Endpoints, by version, whose undecryptable secrets are in the node's log already.
    unopened: Mutex<LruCache<EndpointId, Version>>,
}

impl std::fmt::Debug for DeliverySender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliverySender").field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

impl DeliverySender {
    #[must_use]
    pub fn new(
        runtime: Runtime,
        vault: Arc<dyn Vault>,
        sender: Arc<dyn WebhookSender>,
        schedule: Schedule,
    ) -> Self {
        let opened = Mutex::new(LruCache::new(OPENED));
        let unopened = Mutex::new(LruCache::new(OPENED));
        Self { runtime, vault, sender, schedule: Arc::new(schedule), opened, unopened }
    }

    /// Sleeps by the node's clock.
    pub(super) async fn pause(&self, length: Duration) {
        let clock = &self.runtime.clock;
        clock.sleep(length).await;
    }

    pub(super) fn trace(&self) -> TraceHooks {
        self.runtime.trace
    }

    /// The `traceparent` of the event at a log position; `None` when it has none or cannot be read just now.
    pub(super) async fn trace_of(&self, position: Position) -> Option<String> {
        let before = Position(position.0.saturating_sub(1));
        let found = self.runtime.store.read_all(before, 1).await.ok()?;
        let event = found.first().filter(|event| event.position == position)?;
        event.metadata().ok()?.traceparent
    }

    /// Signs a body and sends it. When the secrets cannot be decrypted for good, nothing is sent, and that counts
    /// as the attempt: the owner sees it, and the endpoint's retry schedule applies. On an error nothing was sent,
    /// and nothing is to be recorded.
    pub async fn send(&self, target: &Target, event: Uuid, body: Bytes) -> Result<Attempt, NotMade> {
        let now = self.runtime.clock.now();
        let opened = match self.open(target).await {
            Ok(opened) => opened,
            Err(error) if error.lasts() => return Ok(self.unopened(target, &error, now)),
            Err(error) => return Err(error),
        };
        let (id, at) = (event_type_id(event), now.timestamp());
        let valid = opened.secrets.iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        let signed = signing::headers(valid.map(|(secret, _)| secret), &id, at, &body);
        let mut headers = opened.headers.clone();
        headers.extend(signed.map(|(name, value)| (name.to_owned(), value)));
        let url = target.endpoint.terms().map(|terms| terms.url.clone()).unwrap_or_default();
        Ok(self.sender.send(&WebhookRequest { url, headers, body, now }).await)
    }

    fn unopened(&self, target: &Target, error: &NotMade, now: Time) -> Attempt {
        let known = (self.unopened.lock())
            .put(target.id, target.version)
            .is_some_and(|version| version == target.version);
        if !known {
            let (endpoint, error) = (target.id, error as &dyn std::error::Error);
            tracing::error!(endpoint.id = %endpoint, error, "nothing is sent to an endpoint until it has a secret that opens");
        }
        Attempt {
            began_at: now,
            latency_ms: 0,
            status: None,
            error: Some(ErrorClass::Secret),
            detail: Some(
                "the endpoint's secret cannot be opened: rotate it, and set its headers anew".to_owned(),
            ),
            address: None,
            headers: BTreeMap::new(),
            body: None,
        }
    }

    async fn open(&self, target: &Target) -> Result<Arc<Opened>, NotMade> {
        let known = {
            let mut opened = self.opened.lock();
            opened.get(&target.id).filter(|(version, _)| *version == target.version).map(|(_, it)| it.clone())
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let (vault, stream) = (&*self.vault, target.id.stream());
        let held = target.endpoint.secrets().all();
        let secrets = open_secrets(vault, target.client, &stream, held).await?;
        let headers = match target.endpoint.terms() {
            Some(terms) => open_headers(vault, target.client, &stream, &terms.headers).await?,
            None => BTreeMap::new(),
        };
        // some endpoints got these headers before the names were reserved
        let headers = headers.into_iter().filter(|(name, _)| !is_ours(name)).collect();
        let opened = Arc::new(Opened { secrets, headers });
        let entry = (target.version, opened.clone());
        self.opened.lock().put(target.id, entry);
        Ok(opened)
    }

    /// Records an attempt and its consequences in the log; answers the log position. On an error the attempt may
    /// be made again, unless the log refused it.
    pub async fn record(
        &self,
        item: &DueDelivery,
        cause: Cause,
        attempt: Attempt,
        sent: Option<&Bytes>,
        context: Option<CommandContext>,
    ) -> Result<Position, CommandError<DeliveryRefusal>> {
        let stream = item.id.stream();
        let mut session: Session<Delivery> = match item.version {
            Version::NONE => Session::on_new_stream(self.runtime.clone(), stream),
            _ => Session::new(self.runtime.clone(), stream),
        };
        let command = DeliveryCommand::Record {
            id: item.id,
            of: item.of.clone(),
            before: item.before,
            cause,
            attempt: Box::new(attempt),
            sent: sent.map(|bytes| ByteBuf::from(bytes.to_vec())),
            schedule: self.schedule.clone(),
            now: self.runtime.clock.now(),
        };
        let context = context.unwrap_or_else(|| following(item.client, item.of.event));
        let receipt = session.execute(&command, &context, None).await?;
        // an attempt always writes an event
        receipt.position.ok_or(CommandError::Contended)
    }

    /// Disables an endpoint, unless it was enabled since the attempt that is the reason.
    pub(super) async fn disable(
        &self,
        target: &Target,
        reason: DisabledFor,
        seen: Time,
    ) -> Result<(), CommandError<EndpointRefusal>> {
        let mut session = Session::<Endpoint>::new(self.runtime.clone(), target.id.stream());
        let command = EndpointCommand::Disable { reason, seen, now: self.runtime.clock.now() };
        session.execute(&command, &following(target.client, target.id.0), None).await.map(drop)
    }
}

/// The context of a command that the node gives because of `cause`.
fn following(client: ClientId, cause: Uuid) -> CommandContext {
    CommandContext {
        client,
        correlation_id: cause,
        causation_id: Some(cause),
        actor: Actor::System("webhooks".to_owned()),
        request_id: None,
        traceparent: None,
        command_id: None,
        origin: Origin::default(),
        appends: Appends::default(),
    }
}
