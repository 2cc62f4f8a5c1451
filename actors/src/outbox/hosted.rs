//! Effects at a hosted voice runtime: calls that are followed until they are billed, speech that is sent once, and
//! agents that are copied there.

use std::time::Duration;

use chrono::TimeDelta;
use domain::agent::AgentRuntime;
use domain::agent::sync::SyncEvent;
use domain::call::report::CarrierFact;
use domain::call::terms::{CommandKind, EndReason, Fault, Status, TranscriptTrack};
use domain::call::{CallCommand, CallEvent, Outcome, Outgoing, Work};
use domain::envelope::Recorded;
use domain::ids::{AgentId, CallId, derive};
use domain::ports::outbox::{OutboxItem, WorkChange};
use domain::ports::telephony::{CarrierError, LegCommand, Telephony};
use domain::provider::{ProviderEvent, ProviderKind};
use domain::wire::{DecodeError, DomainEvent as _};
use uuid::Uuid;

use super::follow::cause_of;
use super::perform::{CallError, EffectRun, NextStep};
use super::recordings::pause;
use super::retry::{Next, after_failure, backoff};
use super::time::JobClock;
use crate::context::CommandContext;
use crate::hosted::SyncError;
use crate::session::CommandError;

/// When a call is first asked for at the runtime, unless its webhooks told everything before.
const FIRST_LOOK: TimeDelta = TimeDelta::seconds(15);
/// Longest pause between two looks at a call that goes on.
const LONGEST_LOOK: Duration = Duration::from_secs(120);
/// Longest pause between two looks at a call that is over and not billed.
const LONGEST_BILL_LOOK: Duration = Duration::from_secs(1_800);
/// How long a bill may take, from when the call began there.
const BILL_PATIENCE: TimeDelta = TimeDelta::hours(72);
/// How long after its longest duration a call that cannot be read is taken to be over.
const OPEN_PATIENCE: Duration = Duration::from_secs(900);
/// Added to the attempts of a look when the runtime knows the call no more, and again once it does: an odd number of
/// them says that it did not know it at the last look. Three days have less than this many looks.
const UNKNOWN: u32 = 1 << 16;
/// Attempts to read what was said while the runtime knows nothing of it: about four minutes.
const MAX_UNSAID: u32 = 8;
/// Longest pause before speech that was refused for now is sent again.
const LONGEST_SPEECH_PAUSE: Duration = Duration::from_secs(60);
/// How long a dial may be held back before it is given up.
const DIAL_PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// Pause while the runtime refuses a command because nobody is on the call yet.
const NOT_JOINED_PAUSE: Duration = Duration::from_secs(1);
/// Pause after a lost answer to a creation: by then it was carried out or never will be.
const LOST_PAUSE: Duration = Duration::from_secs(12);
/// Most pages of a call's messages that are read: 2,000 messages.
const MAX_MESSAGE_PAGES: usize = 40;
/// How often an agent's copy is compared.
const CHECK_EVERY: TimeDelta = TimeDelta::minutes(15);
/// Attempts to sync an agent while the runtime does not answer: about a day.
const MAX_SYNCS: u32 = 300;

/// The effect that follows a call at a runtime. It has a subject of its own: the end of the call does not end it.
pub(super) fn watching(recorded: &Recorded, time: &JobClock) -> Result<Option<WorkChange>, DecodeError> {
    if !matches!(&*recorded.event_type, "call.dial_accepted" | "call.received") {
        return Ok(None);
    }
    let provider = match CallEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)? {
        CallEvent::DialAccepted(accepted) => accepted.provider,
        CallEvent::Received(received) => received.provider,
        _ => return Ok(None),
    };
    let effect_id = derive(recorded.id, Work::WatchHosted.as_str());
    let hosted = AgentRuntime::of_provider(&provider).is_hosted();
    Ok(hosted.then(|| effect(recorded, time, Work::WatchHosted, (effect_id, effect_id), FIRST_LOOK)))
}

/// The effects of what changes where an agent's copy belongs.
pub(super) fn syncing(recorded: &Recorded, time: &JobClock) -> Result<Option<WorkChange>, DecodeError> {
    let (work, after) = match &*recorded.event_type {
        "agent.deployed" | "agent_sync.requested" => (Work::SyncAgent, TimeDelta::zero()),
        "agent_sync.copied" => (Work::CheckAgent, CHECK_EVERY),
        "provider.configured" | "provider.removed" => {
            let event = ProviderEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)?;
            let kind = match event {
                ProviderEvent::Configured(configured) => configured.kind,
                ProviderEvent::Removed(removed) => removed.kind,
            };
            if kind != ProviderKind::Runtime {
                return Ok(None);
            }
            (Work::SyncAccount, TimeDelta::zero())
        }
        _ => return Ok(None),
    };
    // the copy's stream has the agent's id, so that all syncs of an agent have one subject
    let ids = (derive(recorded.id, work.as_str()), recorded.stream.id());
    Ok(Some(effect(recorded, time, work, ids, after)))
}

fn effect(
    recorded: &Recorded,
    time: &JobClock,
    work: Work,
    (effect_id, subject): (Uuid, Uuid),
    after: TimeDelta,
) -> WorkChange {
    WorkChange::Do(OutboxItem {
        effect_id,
        subject,
        client: recorded.client_id,
        work,
        due: time.due(recorded.recorded_at, after),
        attempts: 0,
        position: recorded.position,
        cause: cause_of(recorded),
    })
}

impl EffectRun<'_> {
    /// Who carries out commands on calls of this runtime.
    pub(super) fn carrier(&self, runtime: AgentRuntime) -> Result<&dyn Telephony, CarrierError> {
        if !runtime.is_hosted() {
            return Ok(&*self.deps.telephony);
        }
        self.deps.hosted.as_ref().map(|hosted| &*hosted.telephony).ok_or(CarrierError::NotConfigured)
    }

    pub(super) fn provider_of(&self, runtime: AgentRuntime) -> &'static str {
        self.carrier(runtime).map_or("", |carrier| carrier.provider())
    }

    /// What to do with a dial that has to wait before it is begun; `None`: it goes on. One that waited too long fails.
    pub(super) async fn held_back(&self) -> Result<Option<NextStep>, CallError> {
        let Some(Outgoing::Dial(dial)) = self.deps.calls.prepare(self.call(), self.item.effect_id).await?
        else {
            return Ok(None);
        };
        if !dial.runtime.is_hosted() {
            return Ok(None);
        }
        let (effect_id, now) = (self.item.effect_id, self.deps.runtime.clock.now());
        let queued = self.followed_event().await.map_err(CommandError::from)?;
        let late = queued.is_some_and(|queued| now - queued.recorded_at > DIAL_PATIENCE);
        // one that may have been sent is looked for instead
        if late && self.deps.calls.inspect(self.call()).await?.status() == Status::Queued {
            let (reason, fault, code) = (EndReason::DialTimeout, Fault::Provider, "held_back".to_owned());
            let fail = CallCommand::FailDial { effect_id, reason, fault, code, now };
            return self.tell_if_open(fail).await.map(Some);
        }
        let held = match self.carrier(dial.runtime) {
            Ok(carrier) => carrier.may_dial(&dial).await,
            Err(error) => Err(error),
        };
        // another error is met again by the dial itself
        let Err(CarrierError::Held { reason, pause }) = held else { return Ok(None) };
        Ok(Some(NextStep::wait(pause, &reason)))
    }

    /// A command to a call at a runtime, which does not know our command ids: speech is sent once at most.
    pub(super) async fn hosted_command(&self, command: &LegCommand) -> Result<NextStep, CallError> {
        let carrier = match self.carrier(command.runtime) {
            Ok(carrier) => carrier,
            Err(_) => return self.settle(failed("not_configured")).await,
        };
        let ending = self.item.work == Work::Command(CommandKind::HangUp);
        let once = !ending && !carrier.drops_repeats();
        if once {
            if self.item.attempts > 0 {
                // a node died between sending it and recording what came of it
                return self.settle(failed("answer_lost")).await;
            }
            if let Err(error) = self.mark_begun().await {
                return Ok(NextStep::wait(NOT_JOINED_PAUSE, &error));
            }
        }
        let error = match carrier.command(command).await {
            Ok(()) => return self.settle(Outcome::Accepted).await,
            Err(error) => error,
        };
        match error {
            // certainly not done, and not counted: the row says again that nothing was begun
            CarrierError::NotReady { .. } if ending => Ok(NextStep::wait(NOT_JOINED_PAUSE, &error)),
            CarrierError::Unavailable { retry_after, .. } if once => {
                let pause = retry_after.unwrap_or(NOT_JOINED_PAUSE);
                Ok(NextStep::wait(pause.clamp(NOT_JOINED_PAUSE, LONGEST_SPEECH_PAUSE), &error))
            }
            CarrierError::Unknown { .. } if once => self.settle(failed("answer_lost")).await,
            error => match after_failure(&error, self.item.work, self.attempts(), self.item.effect_id) {
                Next::Retry(pause) if once => Ok(NextStep::wait(pause, &error)),
                Next::Retry(pause) => Ok(NextStep::postpone(pause, &error)),
                Next::Wait(pause) => Ok(NextStep::wait(pause, &error)),
                Next::GiveUp { code, gone } => self.settle(Outcome::Failed { code, gone }).await,
                // a second hang-up does no harm
                Next::AskLeg => Ok(NextStep::postpone(backoff(self.attempts(), self.item.effect_id), &error)),
            },
        }
    }

    /// Notes in the outbox that the command is about to be sent, so that another node does not send it again.
    async fn mark_begun(&self) -> Result<(), domain::ports::StoreUnavailable> {
        self.deps.store.postpone(self.item.effect_id, self.item.due, 1, "about to be sent").await
    }

    /// Asks the runtime for all that it knows of a call, until that is everything.
    pub(super) async fn watch_hosted(&self) -> Result<NextStep, CallError> {
        let Some(hosted) = &self.deps.hosted else { return Ok(NextStep::NOTHING_TO_DO) };
        let Some(began) = self.followed_event().await.map_err(CommandError::from)? else {
            return Ok(NextStep::NOTHING_TO_DO);
        };
        let id = CallId(began.stream.id());
        let call = self.deps.calls.inspect(id).await?;
        let complete = call.is_over() && call.runtime_bill().is_some();
        let Some(control_id) = call.control_id().filter(|_| !complete && call.merged_into().is_none()) else {
            return Ok(NextStep::NOTHING_TO_DO);
        };
        let late = self.deps.runtime.clock.now() - began.recorded_at;
        let (looks, unknown) = (self.item.attempts % UNKNOWN, self.item.attempts / UNKNOWN % 2 == 1);
        let mut next = (1, "more is still to come".to_owned());
        match hosted.telephony.read_call(self.item.client, control_id).await {
            Ok(Some(report)) => {
                self.deps.inbox.take(report, Some(self.item.client), None, None).await?;
                next.0 += if unknown { UNKNOWN } else { 0 };
            }
            Err(CarrierError::Held { reason, pause }) => return Ok(NextStep::wait(pause, &reason)),
            // one such answer may be wrong: a replica may lag
            Ok(None) if !unknown => next = (1 + UNKNOWN, "the runtime does not know the call".to_owned()),
            Err(error) if call.is_over() || !is_past(late, call.max_duration()) => next.1 = error.to_string(),
            Ok(None) if call.is_over() => {}
            Ok(None) | Err(_) => {
                let cause = &self.item.cause;
                let context = CommandContext::following("outbox", self.item.client, cause);
                let lost = CallCommand::LegLost { now: self.deps.runtime.clock.now() };
                self.deps.calls.execute(id, lost, context, None).await?;
            }
        }
        let call = self.deps.calls.inspect(id).await?;
        let billed = call.runtime_bill().is_some();
        if call.is_over() && (billed || late > BILL_PATIENCE) {
            if !billed {
                tracing::warn!(call.id = %id, "a call at the voice runtime was never billed");
            }
            return Ok(NextStep::NOTHING_TO_DO);
        }
        let (attempts, why) = next;
        Ok(NextStep::Postpone { pause: look_pause(call.is_over(), looks), why, attempts })
    }

    /// Reads what was said on a call that is over, and gives it to the call: what it knows already is no news.
    pub(super) async fn fetch_transcript(&self) -> Result<NextStep, CallError> {
        let Some(hosted) = &self.deps.hosted else { return Ok(NextStep::NOTHING_TO_DO) };
        let (id, client) = (self.call(), self.item.client);
        let call = self.deps.calls.inspect(id).await?;
        let (Some(control_id), Some(began)) = (call.control_id(), call.answered_at()) else {
            return Ok(NextStep::NOTHING_TO_DO);
        };
        // lines of the transcript already: the runtime lists what it was told to say like anything else
        let mut told = call.spoken();
        let mut cursor = None;
        for _ in 0..MAX_MESSAGE_PAGES {
            let page = match hosted.telephony.read_messages(client, control_id, began, cursor).await {
                Ok(Some(page)) => page,
                Ok(None) if self.attempts() >= MAX_UNSAID => return Ok(NextStep::NOTHING_TO_DO),
                Ok(None) => {
                    let pause = pause(self.attempts(), self.item.effect_id);
                    return Ok(NextStep::postpone(pause, &"nothing is known of what was said"));
                }
                Err(CarrierError::Held { reason, pause }) => return Ok(NextStep::wait(pause, &reason)),
                Err(error @ (CarrierError::Refused { .. } | CarrierError::NotConfigured)) => {
                    tracing::warn!(call.id = %id, %error, "what was said on a call cannot be read");
                    return Ok(NextStep::NOTHING_TO_DO);
                }
                Err(error) if self.attempts() >= MAX_SYNCS => {
                    tracing::warn!(call.id = %id, %error, "what was said on a call was never there to be read");
                    return Ok(NextStep::NOTHING_TO_DO);
                }
                Err(error) => {
                    return Ok(NextStep::postpone(pause(self.attempts(), self.item.effect_id), &error));
                }
            };
            for mut report in page.reports {
                leave_out_told(&mut report.fact, &mut told);
                self.deps.inbox.take(report, Some(client), None, None).await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(NextStep::NOTHING_TO_DO);
            }
        }
        tracing::warn!(call.id = %id, "more was said on a call than is kept");
        Ok(NextStep::NOTHING_TO_DO)
    }

    pub(super) async fn of_hosted_agent(&self) -> NextStep {
        let Some(hosted) = &self.deps.hosted else { return NextStep::NOTHING_TO_DO };
        let mut asked = 0;
        let done = match self.item.work {
            Work::SyncAgent => {
                hosted.sync_agent(self.item, &mut asked).await.map(|()| NextStep::NOTHING_TO_DO)
            }
            Work::SyncAccount => hosted.sync_account(self.item).await.map(|()| NextStep::NOTHING_TO_DO),
            _ => self.check_agent(hosted).await,
        };
        let error = match done {
            Ok(next) => return next,
            Err(error) => error,
        };
        let syncing = self.item.work == Work::SyncAgent;
        let code = match &error {
            SyncError::Runtime(CarrierError::Held { pause, .. }) => return NextStep::wait(*pause, &error),
            SyncError::Runtime(CarrierError::Unknown { .. }) if self.attempts() < MAX_SYNCS => {
                let pause = pause(self.attempts(), self.item.effect_id);
                return NextStep::postpone(pause.max(LOST_PAUSE), &error);
            }
            SyncError::NotYet(_) => return NextStep::wait(Duration::from_secs(1), &error),
            SyncError::Runtime(CarrierError::Refused { code, .. }) => code.clone(),
            SyncError::Runtime(CarrierError::NotConfigured) => "no_account".to_owned(),
            _ if self.attempts() >= MAX_SYNCS => "unreachable".to_owned(),
            _ => return NextStep::postpone(pause(self.attempts(), self.item.effect_id), &error),
        };
        if !syncing {
            // the next look may find it better
            return NextStep::postpone(pause(u32::MAX, self.item.effect_id), &error);
        }
        tracing::warn!(agent.id = %AgentId(self.item.subject), code, "an agent cannot be copied to the voice runtime");
        match hosted.fail_sync(self.item, &code, asked).await {
            Ok(()) => NextStep::NOTHING_TO_DO,
            Err(error) => NextStep::postpone(pause(self.attempts(), self.item.effect_id), &error),
        }
    }

    async fn check_agent(&self, hosted: &crate::hosted::HostedDeps) -> Result<NextStep, SyncError> {
        let copied = self.followed_event().await.map_err(|error| SyncError::Log(error.to_string()))?;
        let fact = copied.map(|event| SyncEvent::decode(&event.event_type, event.schema, &event.payload));
        let Some(Ok(SyncEvent::Copied(copied))) = fact else { return Ok(NextStep::NOTHING_TO_DO) };
        let every = CHECK_EVERY.to_std().unwrap_or_default();
        Ok(match hosted.check_agent(self.item, copied.at).await? {
            true => NextStep::wait(every, &"it is compared now and then"),
            false => NextStep::NOTHING_TO_DO,
        })
    }
}

fn failed(code: &str) -> Outcome {
    Outcome::Failed { code: code.to_owned(), gone: false }
}

/// Whether a call of this longest duration is over by now, whatever became of it.
fn is_past(late: TimeDelta, longest: Duration) -> bool {
    late.to_std().is_ok_and(|late| late > longest + OPEN_PATIENCE)
}

/// Keeps a line of the agent's without adding it to the transcript, if the node had it said: each text once.
fn leave_out_told(fact: &mut CarrierFact, told: &mut Vec<String>) {
    let CarrierFact::Transcribed(line) = &*fact else { return };
    let text = line.text.reveal().map(|text| text.trim()).filter(|_| line.track == TranscriptTrack::Outbound);
    let known = text.and_then(|text| told.iter().position(|told| told.trim() == text));
    if let Some(known) = known {
        told.remove(known);
        *fact = CarrierFact::Noted;
    }
}

/// Pause before the next look at a call: doubling from 15 seconds.
fn look_pause(over: bool, attempts: u32) -> Duration {
    let longest = if over { LONGEST_BILL_LOOK } else { LONGEST_LOOK };
    Duration::from_secs(15 << attempts.min(8)).min(longest)
}
