//! Performs the effects in the outbox, each until its outcome is in the log.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use domain::call::terms::{CommandKind, EndReason, Fault};
use domain::call::{CallCommand, CallRefusal, Outcome, Outgoing, Work};
use domain::ids::{CallId, IvrSessionId};
use domain::ports::outbox::OutboxItem;
use domain::ports::telephony::{CarrierError, Dial, LegAction, LegCommand, LegState, RefusedBecause};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

use super::retry::{Next, after_failure, backoff};
use super::time::{JobClock, LONGEST_SLEEP};
use super::{OutboxDeps, main_tag};
use crate::context::CommandContext;
use crate::conversation::VoiceError;
use crate::ivr::IvrError;
use crate::session::{CommandError, Receipt};

const BATCH: usize = 128;
/// Pause while the carrier has not named the leg of a call yet.
const NO_LEG_PAUSE: Duration = Duration::from_millis(500);
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// How long the webhook of a leg that is gone may still take, counted from when the carrier said so: a node that
/// was down has webhooks to catch up on.
const GONE_PAUSE: Duration = Duration::from_secs(30);
/// Pause before an effect whose row could not be written is looked at again.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);
const CHECK_PAUSE: Duration = Duration::from_secs(30);
/// NextStep this many answers "still alive" (ten minutes) a leg is left to its other timers.
const MAX_CHECKS: u32 = 20;

type CallError = CommandError<CallRefusal>;

/// What to do with an effect after an attempt.
enum NextStep {
    /// Remove it: its outcome is in the log, or the effect is pointless.
    Finish,
    /// Try again after `pause`, because of `why`.
    Postpone { pause: Duration, why: String },
}

impl NextStep {
    fn postpone(pause: Duration, why: &dyn std::fmt::Display) -> Self {
        NextStep::Postpone { pause, why: why.to_string() }
    }
}

/// Performs what is due until the lease is lost; what was begun is finished in `tasks`.
pub(super) async fn perform(
    deps: &Arc<OutboxDeps>,
    concurrency: usize,
    time: &Arc<JobClock>,
    news: &Arc<Notify>,
    tasks: &TaskTracker,
    mine: &CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(concurrency));
    let begun: Arc<Mutex<HashSet<Uuid>>> = Arc::default();
    let mut measured = None;
    while !mine.is_cancelled() {
        let woken = news.notified();
        measure(deps, time, &mut measured).await;
        let limit = BATCH + begun.lock().unwrap_or_else(PoisonError::into_inner).len();
        let held = time.hold().await;
        let seen = time.now();
        let due = deps.store.due_effects(seen, limit).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the outbox cannot be read");
            Vec::new()
        });
        drop(held);
        for item in due {
            if !begun.lock().unwrap_or_else(PoisonError::into_inner).insert(item.effect_id) {
                continue;
            }
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let (deps, begun, time, news) = (deps.clone(), begun.clone(), time.clone(), news.clone());
            tasks.spawn(async move {
                let effect_id = item.effect_id;
                perform_one(&deps, &time, item).await;
                begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&effect_id);
                drop(permit);
                // the next effect of the same call may have waited for this one
                news.notify_waiters();
            });
        }
        let until = deps.sleep_limit(seen, LONGEST_SLEEP).await;
        tokio::select! {
            () = mine.cancelled() => {}
            () = woken => {}
            () = time.sleep_until(until) => {}
        }
    }
}

/// Reports how many effects wait and for how long, about once a second.
async fn measure(deps: &OutboxDeps, time: &JobClock, measured: &mut Option<Instant>) {
    let (now, moment) = (time.now(), deps.runtime.clock.monotonic());
    if measured.is_some_and(|last| moment.saturating_duration_since(last) < MEASURE_EVERY) {
        return;
    }
    // a store that cannot be read shows in the log and in /readyz
    let Ok(stats) = deps.store.stats(now).await else { return };
    *measured = Some(moment);
    let age = stats.oldest_due.map_or(TimeDelta::zero(), |due| (now - due).max(TimeDelta::zero()));
    metrics::gauge!(domain::metrics::OUTBOX_PENDING).set(stats.effects as f64);
    metrics::gauge!(domain::metrics::OUTBOX_AGE_SECONDS).set(age.as_seconds_f64());
}

async fn perform_one(deps: &OutboxDeps, time: &JobClock, item: OutboxItem) {
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
        let errand = EffectRun { deps, item: &item };
        let after = errand.run().await.unwrap_or_else(|error| NextStep::postpone(NO_LEG_PAUSE, &error));
        let (outcome, kept) = match after {
            NextStep::Finish => ("finished", deps.store.finish(item.effect_id).await),
            NextStep::Postpone { pause, why } => {
                tracing::info!(why, pause_ms = pause.as_millis() as u64, "effect put off");
                let _held = time.hold().await;
                let due = time.now() + pause;
                ("postponed", deps.store.postpone(item.effect_id, due, item.attempts + 1, &why).await)
            }
        };
        metrics::counter!(
            domain::metrics::EFFECT_ATTEMPTS, "kind" => item.work.as_str(), "outcome" => outcome
        )
        .increment(1);
        if let Err(error) = kept {
            tracing::warn!(%error, "the outbox cannot be written; the effect is looked at again after a pause");
            let clock = &deps.runtime.clock;
            clock.sleep_until(clock.now() + PAUSE_AFTER_FAULT).await;
        }
    }
    .instrument(span)
    .await;
}

/// One attempt to perform one effect.
struct EffectRun<'a> {
    deps: &'a OutboxDeps,
    item: &'a OutboxItem,
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
            Work::AskWebhook => {
                let session = IvrSessionId(self.item.subject);
                self.of_ivr(self.deps.ivr.ask_webhook(session, self.item.client, &self.item.cause).await)
            }
        }
    }

    async fn tell(&self, command: CallCommand) -> Result<Receipt, CallError> {
        let mut context = CommandContext::following("outbox", self.item.client, &self.item.cause);
        context.command_id = Some(self.item.effect_id);
        self.deps.calls.execute(self.call(), command, context, None).await
    }

    /// Gives the call a command; a refusal is fine, because the call has moved on.
    async fn tell_if_open(&self, command: CallCommand) -> Result<NextStep, CallError> {
        match self.tell(command).await {
            Ok(_) | Err(CommandError::Refused(_)) => Ok(NextStep::Finish),
            Err(error) => Err(error),
        }
    }

    fn call(&self) -> CallId {
        CallId(self.item.subject)
    }

    /// Finishes the effect when the IVR driver succeeded, otherwise postpones it.
    fn of_ivr(&self, done: Result<(), IvrError>) -> Result<NextStep, CallError> {
        Ok(match done {
            Ok(()) => NextStep::Finish,
            Err(error) => NextStep::postpone(backoff(self.attempts(), self.item.effect_id), &error),
        })
    }

    /// Finishes the effect when the agent's step succeeded or can never succeed, otherwise postpones it.
    fn of_voice(&self, done: Result<(), VoiceError>) -> Result<NextStep, CallError> {
        Ok(match done {
            Ok(()) | Err(VoiceError::Unreadable) => NextStep::Finish,
            Err(error) => NextStep::postpone(backoff(self.attempts(), self.item.effect_id), &error),
        })
    }

    fn attempts(&self) -> u32 {
        self.item.attempts + 1
    }

    async fn dial(&self) -> Result<NextStep, CallError> {
        let (effect_id, now) = (self.item.effect_id, self.deps.runtime.clock.now());
        match self.tell(CallCommand::StartDial { effect_id, now }).await {
            Ok(_) => {}
            Err(CommandError::Refused(_)) => return Ok(NextStep::Finish),
            Err(error) => return Err(error),
        }
        // when a dial that was started before turned out to be lost, there is nothing left to do
        match self.deps.calls.prepare(self.call(), effect_id).await? {
            Some(Outgoing::Dial(dial)) => self.place(&dial).await,
            _ => Ok(NextStep::Finish),
        }
    }

    async fn place(&self, dial: &Dial) -> Result<NextStep, CallError> {
        let effect_id = self.item.effect_id;
        let answer = self.deps.telephony.dial(dial).await;
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
                let provider = self.deps.telephony.provider();
                self.deps.inbox.bind_own(provider, &leg, self.call(), self.item.client).await?;
                let provider = provider.to_owned();
                self.tell_if_open(CallCommand::AcceptDial { effect_id, provider, leg, now }).await
            }
            Err(CarrierError::Unknown { .. }) => {
                self.tell_if_open(CallCommand::LoseDial { effect_id, now }).await
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
        let command = match self.deps.calls.prepare(self.call(), self.item.effect_id).await? {
            None | Some(Outgoing::Dial(_)) => return Ok(NextStep::Finish),
            Some(Outgoing::NoLegYet) => {
                return Ok(NextStep::postpone(NO_LEG_PAUSE, &"the leg is not known yet"));
            }
            Some(Outgoing::Leg(command)) => command,
        };
        if matches!(command.action, LegAction::Transfer { .. }) {
            self.expect_target().await?;
        }
        match self.deps.telephony.command(&command).await {
            Ok(()) => self.settle(Outcome::Accepted).await,
            Err(error) => match after_failure(&error, self.item.work, self.attempts(), self.item.effect_id) {
                Next::Retry(pause) => Ok(NextStep::postpone(pause, &error)),
                Next::GiveUp { code, gone } => self.settle(Outcome::Failed { code, gone }).await,
                Next::AskLeg => self.ask_leg(&command).await,
            },
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

    async fn settle(&self, outcome: Outcome) -> Result<NextStep, CallError> {
        let (effect_id, now) = (self.item.effect_id, self.deps.runtime.clock.now());
        self.tell_if_open(CallCommand::Settle { effect_id, outcome, attempts: self.attempts(), now }).await
    }

    async fn reconcile(&self) -> Result<NextStep, CallError> {
        let call = self.deps.calls.inspect(self.call()).await?;
        let Some(effect_id) = call.lost_dial() else { return Ok(NextStep::Finish) };
        let tag = main_tag(self.call(), self.item.client);
        let found = self.deps.telephony.find_leg(&tag).await;
        let now = self.deps.runtime.clock.now();
        let too_late = call.dial_deadline().is_none_or(|deadline| now > deadline);
        match found {
            Ok(Some(leg)) => {
                let provider = self.deps.telephony.provider();
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
            Ok(None) => {
                Ok(NextStep::postpone(backoff(self.attempts(), effect_id), &"not at the carrier yet"))
            }
            Err(error) => Ok(NextStep::postpone(backoff(self.attempts(), effect_id), &error)),
        }
    }

    async fn check_leg(&self) -> Result<NextStep, CallError> {
        let call = self.deps.calls.inspect(self.call()).await?;
        let Some(control_id) = call.control_id().filter(|_| !call.is_over()) else {
            return Ok(NextStep::Finish);
        };
        match self.deps.telephony.leg_state(self.item.client, control_id).await {
            Ok(LegState::Gone) if self.attempts() == 1 => {
                Ok(NextStep::postpone(GONE_PAUSE, &"the leg is gone, its webhook may come"))
            }
            Ok(LegState::Gone) => {
                self.tell_if_open(CallCommand::LegLost { now: self.deps.runtime.clock.now() }).await
            }
            Ok(LegState::Alive) if self.attempts() >= MAX_CHECKS => Ok(NextStep::Finish),
            Ok(LegState::Alive) => Ok(NextStep::postpone(CHECK_PAUSE, &"the leg is alive")),
            Err(CarrierError::NotConfigured) => Ok(NextStep::Finish),
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
