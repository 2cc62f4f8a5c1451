//! Performs the effects in the outbox, each until its outcome is in the log.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::call::terms::{CommandKind, EndReason, Fault};
use domain::call::{CallCommand, CallRefusal, Outcome, Outgoing, Work};
use domain::envelope::Position;
use domain::ids::{CallId, ConversationId, IvrSessionId, LegId};
use domain::phone::Party;
use domain::ports::StoreUnavailable;
use domain::ports::outbox::OutboxItem;
use domain::ports::telephony::{CarrierError, Dial, LegAction, LegCommand, LegState, RefusedBecause};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use tracing::field::Empty;

use super::recordings::{busy, pause};
use super::retry::{Next, after_failure, backoff};
use super::time::LONGEST_SLEEP;
use super::{OutboxDeps, Owned, main_tag};
use crate::billing::{Dialled, SpendError};
use crate::carrier::MergeResult;
use crate::context::CommandContext;
use crate::conversation::VoiceError;
use crate::ivr::IvrError;
use crate::knowledge;
use crate::session::{CommandError, Receipt};

const BATCH: usize = 128;
/// Pause while the carrier has not named the leg of a call yet.
const NO_LEG_PAUSE: Duration = Duration::from_millis(500);
/// How long the webhook of a leg that is gone may still take, counted from when the carrier said so: a node that
/// was down has webhooks to catch up on.
const GONE_PAUSE: Duration = Duration::from_secs(30);
/// Pause before a row that could not be written is written again.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);
const CHECK_PAUSE: Duration = Duration::from_secs(30);
/// NextStep this many answers "still alive" (ten minutes) a leg is left to its other timers.
const MAX_CHECKS: u32 = 20;

/// Pause while the first webhook of a call that is to be merged may still be on its way into the log.
const NOT_BEGUN_PAUSE: Duration = Duration::from_secs(1);
/// After so many attempts, of which some may have failed for another reason, nothing is on its way: the carrier got no
/// 200 for it, and sends it again.
const MAX_LOOKS: u32 = 60;
/// Nothing is remembered of a conversation that was over for so long before anybody looked at it.
const TOO_LATE_TO_REMEMBER: TimeDelta = TimeDelta::hours(24);
/// Attempts to remember what a conversation showed.
const MAX_REMEMBERING: u32 = 20;

pub(super) type CallError = CommandError<CallRefusal>;

/// What to do with an effect after an attempt.
pub(crate) enum NextStep {
    /// Remove it: the event that says how it ended is in the log at `outcome`, or no event is needed.
    Finish { outcome: Option<Position> },
    /// Try again after `pause`, because of `why`. `attempts` says how many attempts this one counts as: none where
    /// nothing was tried.
    Postpone { pause: Duration, why: String, attempts: u32 },
}

impl NextStep {
    /// The effect is pointless, or its outcome was in the log before.
    pub(crate) const NOTHING_TO_DO: Self = NextStep::Finish { outcome: None };

    pub(crate) fn postpone(pause: Duration, why: &dyn std::fmt::Display) -> Self {
        NextStep::Postpone { pause, why: why.to_string(), attempts: 1 }
    }

    /// Nothing could be tried yet; it is not counted as an attempt.
    pub(crate) fn wait(pause: Duration, why: &dyn std::fmt::Display) -> Self {
        NextStep::Postpone { pause, why: why.to_string(), attempts: 0 }
    }
}

/// Performs what is due until the lease is lost; what was begun is finished in `tasks`.
pub(super) async fn perform(
    owned: &Arc<Owned>,
    concurrency: usize,
    tasks: &TaskTracker,
    lease_lost: &CancellationToken,
) {
    let Owned { time, effects, effects_changed, .. } = &**owned;
    let permits = Arc::new(Semaphore::new(concurrency));
    while !lease_lost.is_cancelled() {
        if let Err(error) = effects.remove_finished().await {
            tracing::warn!(%error, "finished effects cannot be removed from the outbox yet");
        }
        let held = time.hold().await;
        let seen = time.now();
        let due = effects.begin(seen, BATCH).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the outbox cannot be read");
            Vec::new()
        });
        drop(held);
        let more = due.len() == BATCH;
        for item in due {
            let permit = tokio::select! {
                () = lease_lost.cancelled() => return,
                Ok(permit) = permits.clone().acquire_owned() => permit,
                else => return,
            };
            let (owned, lease_lost) = (owned.clone(), lease_lost.clone());
            tasks.spawn(async move {
                perform_one(&owned, item, &lease_lost).await;
                drop(permit);
                // the next effect of the same call may have waited for this one
                owned.effects_changed.notify_one();
            });
        }
        if more {
            continue;
        }
        let next = effects.next_due(seen).await;
        // the time is read anew: it may have been set back meanwhile
        let longest = time.now() + LONGEST_SLEEP;
        let until = next.map_or(longest, |due| due.min(longest));
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = effects_changed.notified() => {}
            () = time.sleep_until(until) => {}
        }
    }
}

async fn perform_one(owned: &Owned, item: OutboxItem, lease_lost: &CancellationToken) {
    let Owned { deps, effects, .. } = owned;
    let span = tracing::info_span!(
        "effect.perform",
        otel.kind = "consumer",
        effect.kind = item.work.as_str(),
        effect.id = %item.effect_id,
        call.id = %CallId(item.subject),
        attempt = i64::from(item.attempts) + 1,
        messaging.system = Empty,
        messaging.operation.type = Empty,
        messaging.destination.name = Empty,
    );
    if (deps.runtime.trace.recording)() {
        span.record("messaging.system", "voxledger");
        span.record("messaging.operation.type", "process");
        span.record("messaging.destination.name", "outbox");
    }
    if let Some(traceparent) = &item.cause.traceparent {
        (deps.runtime.trace.adopt)(&span, traceparent);
    }
    async {
        let effect = EffectRun { deps, item: &item, lease_lost };
        let next = effect.run().await.unwrap_or_else(|error| NextStep::postpone(NO_LEG_PAUSE, &error));
        let outcome = match next {
            NextStep::Finish { outcome } => {
                effects.finish(item.effect_id, outcome);
                "finished"
            }
            NextStep::Postpone { pause, why, attempts } => {
                let pause_ms = pause.as_millis() as u64;
                match item.work {
                    // it looks again and again while a call lasts
                    Work::WatchCredit | Work::WatchHosted | Work::CheckAgent => {
                        tracing::debug!(why, pause_ms, "effect put off");
                    }
                    _ => tracing::info!(why, pause_ms, "effect put off"),
                }
                while let Err(error) = postpone(owned, &item, pause, attempts, &why).await {
                    tracing::warn!(%error, "the outbox cannot be written; the effect waits until it can");
                    tokio::select! {
                        // the next owner tries it again
                        () = lease_lost.cancelled() => return,
                        () = deps.runtime.clock.sleep(PAUSE_AFTER_FAULT) => {}
                    }
                }
                "postponed"
            }
        };
        metrics::counter!(
            domain::metrics::EFFECT_ATTEMPTS, "kind" => item.work.as_str(), "outcome" => outcome
        )
        .increment(1);
    }
    .instrument(span)
    .await;
}

async fn postpone(
    owned: &Owned,
    item: &OutboxItem,
    pause: Duration,
    attempts: u32,
    why: &str,
) -> Result<(), StoreUnavailable> {
    let _held = owned.time.hold().await;
    let due = owned.time.now() + pause;
    owned.effects.postpone(item.effect_id, due, item.attempts + attempts, why).await
}

/// One attempt to perform one effect.
pub(super) struct EffectRun<'a> {
    pub(super) deps: &'a OutboxDeps,
    pub(super) item: &'a OutboxItem,
    pub(super) lease_lost: &'a CancellationToken,
}

impl EffectRun<'_> {
    async fn run(&self) -> Result<NextStep, CallError> {
        match self.item.work {
            Work::Command(CommandKind::Dial) => self.dial().await,
            Work::Command(_) => self.command().await,
            Work::Reconcile => self.reconcile().await,
            Work::CheckLeg => self.check_leg().await,
            Work::TellIvr => self.of_ivr(self.deps.ivr.tell_again(self.item).await),
            Work::OrderCall => {
                let session = IvrSessionId(self.item.subject);
                self.of_ivr(self.deps.ivr.order(session, self.item.client, &self.item.cause).await)
            }
            Work::Converse => self.of_voice(self.deps.voice.converse(self.item).await),
            Work::SpeakReply => self.of_voice(self.deps.voice.speak_reply(self.item).await),
            Work::MergeCall => Ok(self.merge_call().await),
            Work::StoreRecording => self.store_recording().await,
            Work::IngestDocument | Work::DropDocument | Work::DropKnowledgeBase => {
                Ok(self.of_knowledge().await)
            }
            Work::Remember => Ok(self.remember().await),
            Work::ChargeCall => Ok(self.charge_call().await),
            Work::WatchCredit => self.watch_credit().await,
            Work::WatchHosted => self.watch_hosted().await,
            Work::FetchTranscript => self.fetch_transcript().await,
            Work::SyncAgent | Work::CheckAgent | Work::SyncAccount => Ok(self.of_hosted_agent().await),
            Work::AskWebhook => {
                let session = IvrSessionId(self.item.subject);
                self.of_ivr(self.deps.ivr.ask_webhook(session, self.item.client, &self.item.cause).await)
            }
        }
    }

    async fn of_knowledge(&self) -> NextStep {
        let Some(deps) = &self.deps.knowledge else { return NextStep::NOTHING_TO_DO };
        let done = match self.item.work {
            Work::IngestDocument => knowledge::ingest(deps, self.item, self.lease_lost).await,
            Work::DropDocument => knowledge::remove_document(deps, self.item).await,
            _ => knowledge::remove_base(deps, self.item).await,
        };
        done.unwrap_or_else(|error| NextStep::postpone(backoff(self.attempts(), self.item.effect_id), &error))
    }

    /// Looks at a conversation that is over. After some attempts nothing more is remembered of it.
    async fn remember(&self) -> NextStep {
        let (id, client) = (ConversationId(self.item.subject), self.item.client);
        // an outbox that is made anew from the log does not ask models about what is long over
        if self.item.attempts == 0 && self.deps.runtime.clock.now() - self.item.due > TOO_LATE_TO_REMEMBER {
            return NextStep::NOTHING_TO_DO;
        }
        let Some(memories) = &self.deps.memories else { return NextStep::NOTHING_TO_DO };
        let Some(_place) = memories.places.take(client) else {
            return NextStep::wait(busy(self.item.effect_id), &"other conversations are being looked at");
        };
        let conversations = &self.deps.voice.conversations;
        let last = self.attempts() >= MAX_REMEMBERING;
        let remembering = memories.remember(conversations, id, client, &self.item.cause, last);
        let Some(remembered) = self.lease_lost.run_until_cancelled(remembering).await else {
            return NextStep::wait(PAUSE_AFTER_FAULT, &"another node goes on");
        };
        match remembered {
            Ok(()) => NextStep::NOTHING_TO_DO,
            Err(error) if last => {
                tracing::warn!(conversation.id = %id, error = &error as &dyn std::error::Error, "nothing is remembered");
                NextStep::NOTHING_TO_DO
            }
            Err(error) => NextStep::postpone(pause(self.attempts(), self.item.effect_id), &error),
        }
    }

    async fn tell(&self, command: CallCommand) -> Result<Receipt, CallError> {
        let mut context = CommandContext::following("outbox", self.item.client, &self.item.cause);
        context.command_id = Some(self.item.effect_id);
        self.deps.calls.execute(self.call(), command, context, None).await
    }

    /// Gives the call a command; a refusal is fine, because the call has moved on.
    pub(super) async fn tell_if_open(&self, command: CallCommand) -> Result<NextStep, CallError> {
        match self.tell(command).await {
            Ok(receipt) => Ok(NextStep::Finish { outcome: receipt.position }),
            Err(CommandError::Refused(_)) => Ok(NextStep::NOTHING_TO_DO),
            Err(error) => Err(error),
        }
    }

    pub(super) fn call(&self) -> CallId {
        CallId(self.item.subject)
    }

    /// Finishes the effect when the IVR driver succeeded, otherwise postpones it.
    fn of_ivr(&self, done: Result<(), IvrError>) -> Result<NextStep, CallError> {
        Ok(match done {
            Ok(()) => NextStep::NOTHING_TO_DO,
            Err(error) => NextStep::postpone(backoff(self.attempts(), self.item.effect_id), &error),
        })
    }

    /// Finishes the effect when the agent's step succeeded or can never succeed, otherwise postpones it.
    fn of_voice(&self, done: Result<(), VoiceError>) -> Result<NextStep, CallError> {
        Ok(match done {
            Ok(()) | Err(VoiceError::Unreadable) => NextStep::NOTHING_TO_DO,
            Err(error) => NextStep::postpone(backoff(self.attempts(), self.item.effect_id), &error),
        })
    }

    pub(super) fn attempts(&self) -> u32 {
        self.item.attempts + 1
    }

    async fn dial(&self) -> Result<NextStep, CallError> {
        let (effect_id, now) = (self.item.effect_id, self.deps.runtime.clock.now());
        if let Some(wait) = self.held_back().await? {
            return Ok(wait);
        }
        match self.tell(CallCommand::StartDial { effect_id, now }).await {
            Ok(_) => {}
            Err(CommandError::Refused(_)) => return Ok(NextStep::NOTHING_TO_DO),
            Err(error) => return Err(error),
        }
        // when a dial that was started before turned out to be lost, there is nothing left to do
        match self.deps.calls.prepare(self.call(), effect_id).await? {
            Some(Outgoing::Dial(dial)) => self.place(&dial).await,
            _ => Ok(NextStep::NOTHING_TO_DO),
        }
    }

    async fn place(&self, dial: &Dial) -> Result<NextStep, CallError> {
        let effect_id = self.item.effect_id;
        let in_flight = self.deps.inbox.begin_dial(self.item.client);
        let answer = match self.carrier(dial.runtime) {
            Ok(carrier) => carrier.dial(dial).await,
            Err(error) => Err(error),
        };
        let now = self.deps.runtime.clock.now();
        let fail = |reason, fault, code: &str| CallCommand::FailDial {
            effect_id,
            reason,
            fault,
            code: code.to_owned(),
            now,
        };
        match answer {
            Ok(leg) => {
                let provider = self.provider_of(dial.runtime);
                self.deps.inbox.bind_own(provider, &leg, self.call(), self.item.client).await?;
                drop(in_flight);
                let provider = provider.to_owned();
                self.tell_if_open(CallCommand::AcceptDial { effect_id, provider, leg, now }).await
            }
            Err(CarrierError::Unknown { .. }) => {
                self.tell_if_open(CallCommand::LoseDial { effect_id, now }).await
            }
            Err(CarrierError::Held { reason, pause }) => {
                self.tell_if_open(CallCommand::PostponeDial { effect_id, now }).await?;
                Ok(NextStep::wait(pause, &reason))
            }
            Err(error @ CarrierError::Unavailable { .. }) => {
                match after_failure(&error, self.item.work, self.attempts(), effect_id) {
                    Next::Retry(pause) => {
                        self.tell_if_open(CallCommand::PostponeDial { effect_id, now }).await?;
                        Ok(NextStep::postpone(pause, &error))
                    }
                    _ => {
                        let lost = fail(EndReason::ProviderError, Fault::Provider, "unreachable");
                        self.tell_if_open(lost).await
                    }
                }
            }
            Err(CarrierError::Refused { because, code, .. }) => {
                let (reason, fault) = refusal(because);
                self.tell_if_open(fail(reason, fault, &code)).await
            }
            Err(CarrierError::Gone { code } | CarrierError::NotReady { code }) => {
                self.tell_if_open(fail(EndReason::ProviderError, Fault::Provider, &code)).await
            }
            Err(CarrierError::NotConfigured) => {
                let command = fail(EndReason::ProviderError, Fault::CallerConfig, "not_configured");
                self.tell_if_open(command).await
            }
        }
    }

    async fn command(&self) -> Result<NextStep, CallError> {
        let prepared = match self.deps.calls.prepare(self.call(), self.item.effect_id).await {
            Ok(prepared) => prepared,
            // nothing was sent: it is no attempt, after which speech would count as perhaps said
            Err(error) => return Ok(NextStep::wait(NO_LEG_PAUSE, &error)),
        };
        let command = match prepared {
            None | Some(Outgoing::Dial(_)) => return Ok(NextStep::NOTHING_TO_DO),
            Some(Outgoing::NoLegYet) => {
                return Ok(NextStep::wait(NO_LEG_PAUSE, &"the leg is not known yet"));
            }
            Some(Outgoing::Leg(command)) => command,
        };
        if let LegAction::Transfer { to, .. } = &command.action {
            // whom an erasure took away is nobody to transfer to
            if let Some(to) = to.reveal()
                && let Some(next) = self.refused_by_spend_limits(to).await?
            {
                return Ok(next);
            }
            self.expect_target().await?;
        }
        if command.runtime.is_hosted() {
            return self.hosted_command(&command).await;
        }
        match self.deps.telephony.command(&command).await {
            Ok(()) => self.settle(Outcome::Accepted).await,
            Err(error) => match after_failure(&error, self.item.work, self.attempts(), self.item.effect_id) {
                Next::Retry(pause) => Ok(NextStep::postpone(pause, &error)),
                Next::Wait(pause) => Ok(NextStep::wait(pause, &error)),
                Next::GiveUp { code, gone } => self.settle(Outcome::Failed { code, gone }).await,
                Next::AskLeg => self.ask_leg(&command).await,
            },
        }
    }

    /// What is next where a spend limit does not allow a transfer, whoever asked for it, or cannot be read.
    async fn refused_by_spend_limits(&self, to: &Party) -> Result<Option<NextStep>, CallError> {
        let Some(billing) = &self.deps.billing else { return Ok(None) };
        let agent = self.deps.calls.inspect(self.call()).await?.agent();
        let dialled = Dialled { call: self.call(), key: None, agent, to: to.clone() };
        match billing.admit_transfer(self.item.client, dialled, self.item.effect_id).await {
            Ok(()) => Ok(None),
            Err(SpendError::Reached(_)) => {
                let outcome = Outcome::Failed { code: "spend_limit_reached".to_owned(), gone: false };
                self.settle(outcome).await.map(Some)
            }
            Err(error) => Ok(Some(NextStep::wait(backoff(self.attempts(), self.item.effect_id), &error))),
        }
    }

    /// Prepares for the target leg of a transfer: its webhooks may name nothing but the carrier session it
    /// shares with the call.
    async fn expect_target(&self) -> Result<(), CallError> {
        let call = self.deps.calls.inspect(self.call()).await?;
        let Some(session) = call.leg_session() else { return Ok(()) };
        let provider = self.deps.telephony.provider();
        self.deps.inbox.expect_target(provider, session, self.call(), self.item.client).await
    }

    /// Asks the carrier whether the leg is alive, after so many lost answers that it is not known whether the
    /// carrier still ignores a repeated command.
    async fn ask_leg(&self, command: &LegCommand) -> Result<NextStep, CallError> {
        let repeatable = matches!(
            self.item.work,
            Work::Command(CommandKind::Answer | CommandKind::HangUp | CommandKind::Reject)
        );
        match self.deps.telephony.leg_state(self.item.client, &command.control_id).await {
            Ok(LegState::Gone) => {
                self.settle(Outcome::Failed { code: "leg_gone".to_owned(), gone: true }).await
            }
            Ok(LegState::Alive) if repeatable => Ok(NextStep::postpone(
                backoff(self.attempts(), self.item.effect_id),
                &"answer lost, leg alive",
            )),
            Ok(LegState::Alive) => {
                self.settle(Outcome::Failed { code: "answer_lost".to_owned(), gone: false }).await
            }
            Err(error) => Ok(NextStep::postpone(backoff(self.attempts(), self.item.effect_id), &error)),
        }
    }

    /// Records what became of a command. While the log cannot be written it waits: the carrier forgets after a
    /// minute that it has had the command, and would carry it out again.
    pub(super) async fn settle(&self, outcome: Outcome) -> Result<NextStep, CallError> {
        let (effect_id, now) = (self.item.effect_id, self.deps.runtime.clock.now());
        let command = CallCommand::Settle { effect_id, outcome, attempts: self.attempts(), now };
        loop {
            let error = match self.tell_if_open(command.clone()).await {
                Err(error) if error.is_temporary() => error,
                settled => return settled,
            };
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the outcome of a command cannot be recorded yet"
            );
            tokio::select! {
                () = self.lease_lost.cancelled() => return Err(error),
                () = self.deps.runtime.clock.sleep(PAUSE_AFTER_FAULT) => {}
            }
        }
    }

    async fn reconcile(&self) -> Result<NextStep, CallError> {
        let call = self.deps.calls.inspect(self.call()).await?;
        let Some(effect_id) = call.lost_dial() else { return Ok(NextStep::NOTHING_TO_DO) };
        let tag = main_tag(self.call(), self.item.client);
        let found = match self.carrier(call.runtime()) {
            Ok(carrier) => carrier.find_leg(&tag).await,
            Err(error) => Err(error),
        };
        let now = self.deps.runtime.clock.now();
        let too_late = call.dial_deadline().is_none_or(|deadline| now > deadline);
        match found {
            Ok(Some(leg)) => {
                let provider = self.provider_of(call.runtime());
                self.deps.inbox.bind_own(provider, &leg, self.call(), self.item.client).await?;
                let provider = provider.to_owned();
                self.tell_if_open(CallCommand::AcceptDial { effect_id, provider, leg, now }).await
            }
            Ok(None) | Err(CarrierError::NotConfigured) if too_late => {
                self.tell_if_open(CallCommand::FailDial {
                    effect_id,
                    reason: EndReason::DialTimeout,
                    fault: Fault::Provider,
                    code: "dial_lost".to_owned(),
                    now,
                })
                .await
            }
            Err(CarrierError::Held { reason, pause }) => Ok(NextStep::wait(pause, &reason)),
            Ok(None) => {
                Ok(NextStep::postpone(backoff(self.attempts(), effect_id), &"not at the carrier yet"))
            }
            Err(error) => Ok(NextStep::postpone(backoff(self.attempts(), effect_id), &error)),
        }
    }

    /// Merges the call that a leg began by itself into the one that the leg belongs to.
    async fn merge_call(&self) -> NextStep {
        let leg = LegId(self.item.subject);
        let merged = self.deps.inbox.merge(leg, self.item.cause.event_id, &*self.deps.telephony).await;
        match merged {
            Ok(MergeResult::NotBegun) if self.attempts() < MAX_LOOKS => {
                NextStep::postpone(NOT_BEGUN_PAUSE, &"the leg's call has no history yet")
            }
            Ok(MergeResult::Done | MergeResult::NotBegun) => NextStep::NOTHING_TO_DO,
            Err(error) => NextStep::postpone(backoff(self.attempts(), self.item.effect_id), &error),
        }
    }

    async fn check_leg(&self) -> Result<NextStep, CallError> {
        let call = self.deps.calls.inspect(self.call()).await?;
        let Some(control_id) = call.control_id().filter(|_| !call.is_over()) else {
            return Ok(NextStep::NOTHING_TO_DO);
        };
        let state = match self.carrier(call.runtime()) {
            Ok(carrier) => carrier.leg_state(self.item.client, control_id).await,
            Err(error) => Err(error),
        };
        match state {
            Ok(LegState::Gone) if self.attempts() == 1 => {
                Ok(NextStep::postpone(GONE_PAUSE, &"the leg is gone, its webhook may come"))
            }
            Ok(LegState::Gone) => {
                self.tell_if_open(CallCommand::LegLost { now: self.deps.runtime.clock.now() }).await
            }
            Ok(LegState::Alive) if self.attempts() >= MAX_CHECKS => Ok(NextStep::NOTHING_TO_DO),
            Ok(LegState::Alive) => Ok(NextStep::postpone(CHECK_PAUSE, &"the leg is alive")),
            Err(CarrierError::NotConfigured) => Ok(NextStep::NOTHING_TO_DO),
            Err(error) => Ok(NextStep::postpone(CHECK_PAUSE, &error)),
        }
    }
}

fn refusal(because: RefusedBecause) -> (EndReason, Fault) {
    match because {
        RefusedBecause::BadNumber => (EndReason::InvalidNumber, Fault::CallerConfig),
        RefusedBecause::Limit => (EndReason::ConcurrencyLimit, Fault::CallerConfig),
        RefusedBecause::Settings => (EndReason::ProviderError, Fault::CallerConfig),
        RefusedBecause::Other => (EndReason::ProviderError, Fault::Provider),
    }
}
