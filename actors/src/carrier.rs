//! Routes carriers' webhooks to calls.

mod bindings;
mod dials;
mod merge;

use std::sync::Arc;

use domain::call::report::{CarrierFact, CarrierReport, LegRef, LegRole};
use domain::call::terms::Direction;
use domain::call::{CallCommand, CallRefusal, Routing};
use domain::carrier_event::InboxReceived;
use domain::envelope::{Actor, NewEvent, Time};
use domain::ids::{CallId, CarrierEventId, ClientId};
use domain::leg::LegBound;
use domain::number::Route;
use domain::origin::Origin;
use domain::ports::event_store::{AppendError, Expected};
use domain::wire::DomainEvent;
use serde_bytes::ByteBuf;
use tokio_util::sync::DropGuard;
use uuid::Uuid;

use self::bindings::{Bindings, Wanted};
pub(crate) use self::merge::MergeResult;
use crate::billing::{Billing, CoverError};
use crate::call::Calls;
use crate::catch_up::CatchUp;
use crate::context::{Appends, CommandContext};
use crate::conversation::DefaultAgents;
use crate::directory::NumberDirectory;
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt};

type TakeError = CommandError<CallRefusal>;

/// A carrier's webhook that names no call leg.
#[derive(Debug, Clone)]
pub struct Unattached {
    /// Name of the carrier, for example `telnyx`.
    pub provider: String,
    /// The carrier's id of the event; a second webhook with the same id is a duplicate.
    pub event_id: String,
    /// The carrier's name of the event type.
    pub event_type: String,
    /// When it happened, by the carrier's clock.
    pub occurred_at: Time,
    pub raw: Vec<u8>,
}

/// Takes carriers' webhooks: once [`take`](Self::take) has answered, they are durable.
#[derive(Debug, Clone)]
pub struct CarrierInbox {
    runtime: Runtime,
    calls: Calls,
    numbers: Arc<NumberDirectory>,
    agents: Arc<DefaultAgents>,
    default_client: ClientId,
    bindings: Arc<Bindings>,
    /// Waits until `numbers` are as new as the log.
    catch_up: CatchUp,
    /// Covers the calls of prepaid clients before they are taken; `None`: none needs cover.
    billing: Option<Billing>,
}

impl CarrierInbox {
    /// Calls to numbers that belong to no client go to `default_client`. A number that routes to an agent without
    /// naming one gets the client's default agent.
    #[must_use]
    pub fn new(
        runtime: Runtime,
        calls: Calls,
        numbers: Arc<NumberDirectory>,
        agents: Arc<DefaultAgents>,
        default_client: ClientId,
    ) -> Self {
        let bindings = Arc::new(Bindings::new(runtime.clone()));
        let catch_up = CatchUp::new(runtime.store.clone(), runtime.clock.clone(), numbers.position());
        Self { runtime, calls, numbers, agents, default_client, bindings, catch_up, billing: None }
    }

    /// Has calls to prepaid clients covered by their credit before they are taken.
    #[must_use]
    pub fn covered_by(self, billing: Billing) -> Self {
        Self { billing: Some(billing), ..self }
    }

    /// Takes a webhook about a call leg. `Receipt::position` is `None` when it was taken before. `account` is the
    /// client whose own carrier account it came from; such a webhook can only change that client's calls.
    /// `traceparent` is the trace the carrier sent along, used when no trace is recorded here.
    ///
    /// On any error nothing was acknowledged, and the carrier should try again.
    pub async fn take(
        &self,
        report: CarrierReport,
        account: Option<ClientId>,
        request_id: Option<String>,
        traceparent: Option<String>,
    ) -> Result<Receipt, TakeError> {
        let offered = matches!(report.fact, CarrierFact::Initiated { direction: Direction::Inbound });
        let to = report.to.as_ref().and_then(|to| to.number());
        let called = || to.as_ref().and_then(|to| self.numbers.find(account, to));
        let mut found = called();
        if found.is_none() && offered && report.tag.is_none() && to.is_some() {
            // another node may have taken the number in a moment ago
            self.catch_up.wait().await;
            found = called();
        }
        let owner = account.or(found.as_ref().map(|(client, _)| *client)).unwrap_or(self.default_client);
        let (call, client, role) = match report.tag {
            Some(tag) => (tag.call, tag.client, tag.role),
            None => (CallId(self.runtime.ids.next()), owner, LegRole::Main),
        };
        if account.is_some_and(|account| account != client) {
            return Err(CommandError::OtherClient);
        }
        let tagged = report.tag.is_some();
        let wanted = Wanted { call, client, role, account, tagged, offered };
        let bound = self.bindings.bind(&report.provider, &report.leg, wanted).await?;
        let new = !tagged && bound.call == call;
        let circumstances = Circumstances { account, request_id, traceparent, causation_id: None };
        // a call that may have been merged into another one
        let again = (!new).then(|| report.clone());
        let mut routing = found.filter(|(client, _)| *client == bound.client).map(|(_, routing)| routing);
        if let Some(Routing { route: Route::Agent { id: id @ None }, .. }) = &mut routing {
            *id = self.agents.of(bound.client);
        }
        if let Some(routing) = routing.as_mut().filter(|_| offered && bound.role == LegRole::Main) {
            routing.covered = self.is_covered(&bound, routing.route, new, &report.provider).await?;
        }
        let context = circumstances.context(bound.client, bound.call, &report.provider);
        let command = CallCommand::Report { report: Box::new(report), role: bound.role, routing };
        let taken = match new {
            true => self.calls.execute_on_new(bound.call, command, context).await,
            false => self.calls.execute(bound.call, command, context, None).await,
        };
        match (taken, again) {
            (Err(CommandError::Refused(CallRefusal::Merged { into, role })), Some(report)) => {
                let bound = self.redirect(&report, bound, into, role, account).await?;
                self.report_to(report, bound, &circumstances).await
            }
            (taken, _) => taken,
        }
    }

    /// Whether the client's credit covers a call that is offered. Credit is kept for it, unless it was decided before.
    async fn is_covered(
        &self,
        bound: &LegBound,
        route: Route,
        new: bool,
        provider: &str,
    ) -> Result<bool, TakeError> {
        let Some(billing) = &self.billing else { return Ok(true) };
        let (client, call) = (bound.client, bound.call);
        if route == Route::Reject || !billing.terms.terms(client).prepaid {
            return Ok(true);
        }
        if !new && self.calls.inspect(call).await?.is_over() {
            return Ok(true);
        }
        match billing.cover(client, call, provider).await {
            Ok(_) => Ok(true),
            Err(CoverError::Insufficient { .. }) => Ok(false),
            Err(CoverError::TooMuch) => {
                tracing::error!(client.id = %client, "the prices are absurd: an inbound call is taken without cover");
                Ok(true)
            }
            Err(CoverError::OtherCurrency(own)) => {
                tracing::error!(client.id = %client, %own, "the prices are in another currency than the credit: \
                     an inbound call is not taken");
                Ok(false)
            }
            Err(error) => Err(CommandError::Unavailable(error.to_string())),
        }
    }

    /// While the guard lives, webhooks of legs nobody knows wait a while: one may be about this dial.
    pub(crate) fn begin_dial(&self, client: ClientId) -> DropGuard {
        self.bindings.begin_dial(client)
    }

    /// Binds the leg of a call we placed, as soon as the carrier names it. Fails when the log cannot be reached.
    pub async fn bind_own(
        &self,
        provider: &str,
        leg: &LegRef,
        call: CallId,
        client: ClientId,
    ) -> Result<(), TakeError> {
        let role = LegRole::Main;
        let wanted = Wanted { call, client, role, account: None, tagged: true, offered: false };
        self.bindings.bind(provider, leg, wanted).await.map(|_| ())
    }

    /// Call this before a call is transferred: from now on a leg that names only this carrier session is the
    /// transfer's target leg. Fails when the log cannot be reached.
    pub async fn expect_target(
        &self,
        provider: &str,
        session: &str,
        call: CallId,
        client: ClientId,
    ) -> Result<(), TakeError> {
        self.bindings.expect_target(provider, session, call, client).await
    }

    /// Takes a webhook that belongs to no call and stores it once, under the client whose own carrier `account` it
    /// came from (`None`: the default client). Answers whether it was new. On any error nothing was acknowledged,
    /// and the carrier should try again.
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
        let client = account.unwrap_or(self.default_client);
        let envelope = envelope(&self.runtime, &event, client, id.0, &provider);
        match self.runtime.store.append(&id.stream(), Expected::NoStream, vec![envelope]).await {
            Ok(_) => Ok(true),
            Err(AppendError::Conflict { .. }) => Ok(false),
            Err(error) => Err(store_error(error)),
        }
    }
}

/// What is stored with the events that follow from a webhook.
#[derive(Debug, Default)]
struct Circumstances {
    /// The client whose own carrier account it came from.
    account: Option<ClientId>,
    request_id: Option<String>,
    traceparent: Option<String>,
    /// The event of another call by which it was taken at first.
    causation_id: Option<Uuid>,
}

impl Circumstances {
    fn context(&self, client: ClientId, call: CallId, provider: &str) -> CommandContext {
        CommandContext {
            client,
            correlation_id: call.0,
            causation_id: self.causation_id,
            actor: Actor::Carrier(provider.to_owned()),
            request_id: self.request_id.clone(),
            traceparent: self.traceparent.clone(),
            command_id: None,
            origin: Origin::default(),
            appends: Appends::default(),
        }
    }
}

fn envelope(
    runtime: &Runtime,
    event: &impl DomainEvent,
    client: ClientId,
    correlation_id: Uuid,
    provider: &str,
) -> NewEvent {
    let context = CommandContext {
        client,
        correlation_id,
        causation_id: None,
        actor: Actor::Carrier(provider.to_owned()),
        request_id: None,
        traceparent: None,
        command_id: None,
        origin: Origin::default(),
        appends: Appends::default(),
    };
    NewEvent {
        id: runtime.ids.next(),
        event_type: event.event_type().to_owned(),
        schema: event.schema(),
        client_id: client,
        payload: event.encode(),
        metadata: context.metadata(&runtime.node, None, runtime.trace.current()),
        recorded_at: runtime.clock.now(),
    }
}

fn store_error(error: AppendError) -> TakeError {
    match error {
        AppendError::Overloaded { retry_after } => CommandError::Overloaded { retry_after },
        other => CommandError::Unavailable(other.to_string()),
    }
}
