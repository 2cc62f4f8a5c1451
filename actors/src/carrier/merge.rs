//! Merges a call that began with a leg of unknown origin into the call that the leg turns out to belong to.
//!
//! A webhook without our tag can overtake what says whose leg it is: the answer to our dial, a webhook with the tag, or
//! one that knows another name of the leg. It is kept all the same, as a call of its own. When the leg's names then
//! lead to another call, the log says so (`carrier_leg.bound`, `instead_of`), and the outbox merges the two: the first
//! call ends and takes no more webhooks, and all that it took are given to the other one, which knows each by its id.
//! Every step may be repeated.

use domain::call::report::{CarrierReport, LegRole};
use domain::call::{CallCommand, CallEvent, CallRefusal};
use domain::envelope::{Recorded, Version};
use domain::ids::{CallId, ClientId, LegId};
use domain::leg::{LegBound, LegEvent};
use domain::ports::event_store::Direction;
use domain::ports::telephony::{CarrierError, Telephony};
use domain::wire::DomainEvent as _;
use uuid::Uuid;

use super::{CarrierInbox, Circumstances, TakeError};
use crate::session::{CommandError, Receipt};

const PAGE: usize = 256;
/// How many mergers of merged calls a webhook follows.
const MOST_MERGERS: usize = 8;

/// What became of a merger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeResult {
    /// The calls are one, or the leg's earlier call is none to be merged.
    Done,
    /// The leg's earlier call has no history yet: its first webhook may still be on its way.
    NotBegun,
}

/// Why two calls were not merged yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    #[error(transparent)]
    Call(#[from] TakeError),
    /// The webhooks cannot be read just now.
    #[error(transparent)]
    Webhook(#[from] CarrierError),
}

impl CarrierInbox {
    /// Merges the call that a leg's name led to before `event` into the call it leads to since.
    pub(crate) async fn merge(
        &self,
        leg: LegId,
        event: Uuid,
        telephony: &dyn Telephony,
    ) -> Result<MergeResult, MergeError> {
        let Some((bound, before)) = self.binding_of(leg, event).await? else { return Ok(MergeResult::Done) };
        let Some(client) = self.calls.client_of(before).await? else { return Ok(MergeResult::NotBegun) };
        let stranger = self.calls.inspect(before).await?;
        if !stranger.is_foreign() {
            return Ok(MergeResult::Done);
        }
        // a webhook with the leg's other name must not find a call that takes no more
        if let Some(leg) = stranger.leg() {
            self.bindings.redirect(stranger.provider(), leg, before, bound).await?;
        }
        let into =
            CallCommand::MergeInto { into: bound.call, role: bound.role, now: self.runtime.clock.now() };
        let mut context = Circumstances::default().context(client, before, stranger.provider());
        context.causation_id = Some(event);
        match self.calls.execute(before, into, context, None).await {
            Ok(_) => {}
            // the carrier offered it to us meanwhile
            Err(CommandError::Refused(CallRefusal::NotForeign)) => return Ok(MergeResult::Done),
            Err(error) => return Err(error.into()),
        }
        self.hand_over(before, bound, telephony).await?;
        Ok(MergeResult::Done)
    }

    /// The binding that `event` wrote, and the call that the name led to before.
    async fn binding_of(&self, leg: LegId, event: Uuid) -> Result<Option<(LegBound, CallId)>, TakeError> {
        for recorded in self.whole_stream(&leg.stream()).await? {
            if recorded.id == event {
                let LegEvent::Bound(bound) =
                    LegEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)
                        .map_err(CommandError::Unreadable)?;
                return Ok(bound.instead_of.map(|before| (bound, before)));
            }
        }
        Ok(None)
    }

    /// Gives the webhooks that a merged call took to the call that goes on.
    async fn hand_over(
        &self,
        merged: CallId,
        bound: LegBound,
        telephony: &dyn Telephony,
    ) -> Result<(), MergeError> {
        for recorded in self.whole_stream(&merged.stream()).await? {
            if recorded.event_type != "call.carrier_event_received" {
                continue;
            }
            let event = CallEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)
                .map_err(CommandError::Unreadable)?;
            let CallEvent::CarrierEventReceived(receipt) = event else { continue };
            let Some(raw) = receipt.raw.reveal() else { continue }; // a person asked for it to be erased
            let Some(report) = telephony.read_webhook(bound.client, raw, recorded.recorded_at).await? else {
                tracing::warn!(call.id = %merged, event = %recorded.id, "a webhook that was taken cannot be read again");
                continue;
            };
            let circumstances = Circumstances { causation_id: Some(recorded.id), ..Circumstances::default() };
            self.report_to(report, bound, &circumstances).await?;
        }
        Ok(())
    }

    async fn whole_stream(&self, stream: &domain::envelope::StreamId) -> Result<Vec<Recorded>, TakeError> {
        let (mut all, mut after) = (Vec::new(), Version::NONE);
        loop {
            let page = self.runtime.store.read_stream(stream, after, Direction::Forwards, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.version;
            all.extend(page);
        }
    }

    /// Gives a webhook to the call its leg is bound to, or to the one that this call was merged into.
    pub(super) async fn report_to(
        &self,
        report: CarrierReport,
        mut bound: LegBound,
        circumstances: &Circumstances,
    ) -> Result<Receipt, TakeError> {
        for _ in 0..MOST_MERGERS {
            let command =
                CallCommand::Report { report: Box::new(report.clone()), role: bound.role, routing: None };
            let context = circumstances.context(bound.client, bound.call, &report.provider);
            let (into, role) = match self.calls.execute(bound.call, command, context, None).await {
                Err(CommandError::Refused(CallRefusal::Merged { into, role })) => (into, role),
                done => return done,
            };
            bound = self.redirect(&report, bound, into, role, circumstances.account).await?;
        }
        Err(CommandError::Contended)
    }

    /// Has the names in a webhook that lead to a merged call lead to the one that goes on.
    pub(super) async fn redirect(
        &self,
        report: &CarrierReport,
        merged: LegBound,
        into: CallId,
        role: LegRole,
        account: Option<ClientId>,
    ) -> Result<LegBound, TakeError> {
        let client = self.calls.client_of(into).await?.ok_or(CommandError::Contended)?;
        if account.is_some_and(|account| account != client) {
            return Err(CommandError::OtherClient);
        }
        let bound = LegBound { call: into, client, role, ..merged };
        self.bindings.redirect(&report.provider, &report.leg, merged.call, bound).await?;
        Ok(bound)
    }
}
