//! The way of a carrier's webhook to its call.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use domain::call::report::{CarrierFact, CarrierReport, LegRef, LegRole};
use domain::call::{CallCommand, CallRefusal, Routing};
use domain::carrier_event::InboxReceived;
use domain::envelope::{Actor, NewEvent, StreamId, Time, Version};
use domain::ids::{CallId, CarrierEventId, ClientId, LegId};
use domain::leg::{LegBound, LegEvent};
use domain::number::Route;
use domain::origin::Origin;
use domain::ports::event_store::{AppendError, Direction, Expected};
use domain::wire::DomainEvent;
use lru::LruCache;
use serde_bytes::ByteBuf;

use crate::call::Calls;
use crate::context::CommandContext;
use crate::conversation::DefaultAgents;
use crate::directory::NumberDirectory;
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt};

type TakeError = CommandError<CallRefusal>;

/// A webhook that names no leg.
#[derive(Debug, Clone)]
pub struct Unattached {
    /// `telnyx`, ….
    pub provider: String,
    /// The carrier's id of the event.
    pub event_id: String,
    /// The carrier's name of it.
    pub event_type: String,
    /// When it happened.
    pub occurred_at: Time,
    /// The body as received.
    pub raw: Vec<u8>,
}

/// Takes carriers' webhooks: once `take` has answered, they are durable.
#[derive(Debug, Clone)]
pub struct CarrierInbox {
    runtime: Runtime,
    calls: Calls,
    numbers: Arc<NumberDirectory>,
    agents: Arc<DefaultAgents>,
    default_client: ClientId,
    bound: Arc<Mutex<LruCache<LegId, LegBound>>>,
}

/// Legs remembered in memory; more than that are looked up in the log.
const REMEMBERED_LEGS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(65_535);

impl CarrierInbox {
    /// An inbox; calls to numbers that are nobody's go to `default_client`, those to an agent that is not named to the
    /// client's default one.
    #[must_use]
    pub fn new(
        runtime: Runtime,
        calls: Calls,
        numbers: Arc<NumberDirectory>,
        agents: Arc<DefaultAgents>,
        default_client: ClientId,
    ) -> Self {
        let bound = Arc::new(Mutex::new(LruCache::new(REMEMBERED_LEGS)));
        Self { runtime, calls, numbers, agents, default_client, bound }
    }

    /// Takes a webhook about a leg. `Receipt::position` is `None` for one taken before. `account` is the client whose
    /// own account with the carrier it came from: it can tell of that client's calls alone. `traceparent` is the trace
    /// the carrier sent along, for when none is recorded here.
    ///
    /// # Errors
    /// See [`CommandError`]: nothing was acknowledged, the carrier should try again.
    pub async fn take(
        &self,
        report: CarrierReport,
        account: Option<ClientId>,
        request_id: Option<String>,
        traceparent: Option<String>,
    ) -> Result<Receipt, TakeError> {
        let found =
            report.to.as_ref().and_then(|to| to.number()).and_then(|to| self.numbers.find(account, &to));
        let owner = account.or(found.as_ref().map(|(client, _)| *client)).unwrap_or(self.default_client);
        let wanted = match report.tag {
            Some(tag) => (tag.call, tag.client, tag.role),
            None => (CallId(self.runtime.ids.next()), owner, LegRole::Main),
        };
        let may_tell_of = |client| account.is_none_or(|account| account == client);
        if !may_tell_of(wanted.1) {
            return Err(CommandError::OtherClient);
        }
        // a leg that rings, and not by our order, was never heard of: it is bound without a look at what is there
        let begins = report.tag.is_none() && matches!(report.fact, CarrierFact::Initiated { .. });
        let bound = self.bind(&report.provider, &report.leg.leg_id, wanted, begins).await?;
        let new = report.tag.is_none() && bound.call == wanted.0;
        if !may_tell_of(bound.client) {
            return Err(CommandError::OtherClient);
        }
        let mut routing = found.filter(|(client, _)| *client == bound.client).map(|(_, routing)| routing);
        if let Some(Routing { route: Route::Agent { id: id @ None }, .. }) = &mut routing {
            *id = self.agents.of(bound.client);
        }
        let context = CommandContext {
            client: bound.client,
            correlation_id: bound.call.0,
            causation_id: None,
            actor: Actor::Carrier(report.provider.clone()),
            request_id,
            traceparent,
            command_id: None,
            origin: Origin::default(),
        };
        let command = CallCommand::Report { report: Box::new(report), role: bound.role, routing };
        match new {
            true => self.calls.execute_on_new(bound.call, command, context).await,
            false => self.calls.execute(bound.call, command, context, None).await,
        }
    }

    /// Binds the leg of a call we placed, as soon as the carrier names it.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub async fn bind_own(
        &self,
        provider: &str,
        leg: &LegRef,
        call: CallId,
        client: ClientId,
    ) -> Result<(), TakeError> {
        self.bind(provider, &leg.leg_id, (call, client, LegRole::Main), true).await.map(|_| ())
    }

    /// The call a leg belongs to: what stands in the log, or else what is wanted, written there first. Of a leg that
    /// `begins` nothing is thought to stand there, so it is written without a look; the log knows better if not.
    async fn bind(
        &self,
        provider: &str,
        leg_id: &str,
        (call, client, role): (CallId, ClientId, LegRole),
        begins: bool,
    ) -> Result<LegBound, TakeError> {
        let leg = LegId::of(provider, leg_id);
        if let Some(bound) = self.remembered(leg) {
            return Ok(bound);
        }
        let stream = leg.stream();
        if !begins && let Some(bound) = self.read_binding(&stream).await? {
            return Ok(self.remember(leg, bound));
        }
        let bound = LegBound { call, client, role, at: self.runtime.clock.now() };
        let event = self.envelope(&LegEvent::Bound(bound), client, call, provider);
        match self.runtime.store.append(&stream, Expected::NoStream, vec![event]).await {
            Ok(_) => Ok(self.remember(leg, bound)),
            Err(AppendError::Conflict { .. } | AppendError::Unknown(_)) => {
                let winner = self.read_binding(&stream).await?;
                winner.map(|bound| self.remember(leg, bound)).ok_or(CommandError::Contended)
            }
            Err(error) => Err(store_error(error)),
        }
    }

    async fn read_binding(&self, stream: &StreamId) -> Result<Option<LegBound>, TakeError> {
        let events = self.runtime.store.read_stream(stream, Version::NONE, Direction::Forwards, 1).await?;
        let Some(first) = events.first() else { return Ok(None) };
        let LegEvent::Bound(bound) = LegEvent::decode(&first.event_type, first.schema, &first.payload)
            .map_err(CommandError::Unreadable)?;
        Ok(Some(bound))
    }

    fn remembered(&self, leg: LegId) -> Option<LegBound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).get(&leg).copied()
    }

    fn remember(&self, leg: LegId, bound: LegBound) -> LegBound {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).put(leg, bound);
        bound
    }

    /// Takes a webhook that belongs to no call: it is kept, once, as that of the client whose own `account` it came
    /// from. Answers whether it was new.
    ///
    /// # Errors
    /// See [`CommandError`]: nothing was acknowledged, the carrier should try again.
    pub async fn keep(&self, webhook: Unattached, account: Option<ClientId>) -> Result<bool, TakeError> {
        let id = CarrierEventId::of(&webhook.provider, &webhook.event_id);
        let provider = webhook.provider.clone();
        let event = domain::carrier_event::CarrierInboxEvent::Received(InboxReceived {
            provider: webhook.provider,
            event_id: webhook.event_id,
            event_type: webhook.event_type,
            occurred_at: webhook.occurred_at,
            raw: ByteBuf::from(webhook.raw).into(),
        });
        let envelope = self.envelope(&event, account.unwrap_or(self.default_client), CallId(id.0), &provider);
        match self.runtime.store.append(&id.stream(), Expected::NoStream, vec![envelope]).await {
            Ok(_) => Ok(true),
            Err(AppendError::Conflict { .. }) => Ok(false),
            Err(error) => Err(store_error(error)),
        }
    }

    fn envelope<E: DomainEvent>(
        &self,
        event: &E,
        client: ClientId,
        correlation: CallId,
        provider: &str,
    ) -> NewEvent {
        let context = CommandContext {
            client,
            correlation_id: correlation.0,
            causation_id: None,
            actor: Actor::Carrier(provider.to_owned()),
            request_id: None,
            traceparent: None,
            command_id: None,
            origin: Origin::default(),
        };
        NewEvent {
            id: self.runtime.ids.next(),
            event_type: event.event_type().to_owned(),
            schema: event.schema(),
            client_id: client,
            payload: event.encode(),
            metadata: context.metadata(&self.runtime.node, None, self.runtime.trace.current()),
            recorded_at: self.runtime.clock.now(),
        }
    }
}

fn store_error(error: AppendError) -> TakeError {
    match error {
        AppendError::Overloaded { retry_after } => CommandError::Overloaded { retry_after },
        other => CommandError::Unavailable(other.to_string()),
    }
}
