//! What follows from a command, given where the call stands.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::command::{
    CallCommand, CallRefusal, MAX_DTMF_DIGITS, MAX_DURATION_MS, MAX_METADATA_BYTES, MAX_METADATA_KEYS,
    MAX_SPEECH_CHARS, Outcome, Queue, RING_TIMEOUT_MS, Timer,
};
use super::event::{
    CallEvent, CallMetadata, CommandAccepted, CommandFailed, DialAccepted, DialPostponed, DialStarted,
    DialUnknown, DtmfRequested, Ended, HangUpRequested, MetadataChanged, Queued, SpeechRequested,
    TransferFailed, TransferRequested,
};
use super::handle_report::DEFAULT_GREETING;
use super::state::{Call, DialState, Effect, HangUpAsked, Order, Transfer};
use super::terms::{CommandKind, Direction, EndReason, EndedBy, Fault};
use crate::envelope::Time;
use crate::ids::derive;

pub(super) type Decision = Result<Vec<CallEvent>, CallRefusal>;

impl Call {
    pub(super) fn decide_on(&self, command: &CallCommand) -> Decision {
        let mut facts = self.decide_alone(command)?;
        facts.extend(self.follow_up(&facts));
        Ok(facts)
    }

    fn decide_alone(&self, command: &CallCommand) -> Decision {
        match command {
            CallCommand::Report { report, role, routing } => match self.merged {
                Some((into, role)) if !self.has_seen(&report.provider, &report.event_id) => {
                    Err(CallRefusal::Merged { into, role })
                }
                _ => Ok(self.handle_report(report, *role, *routing)),
            },
            CallCommand::Queue(queue) => self.queue(queue),
            _ if !self.exists() => Err(CallRefusal::Unknown),
            CallCommand::HangUp { id, reason, by, now } => self.hang_up(*id, *reason, *by, *now),
            CallCommand::Say { id, text, now } => self.say(*id, text, *now),
            CallCommand::Transfer { id, to, now } => self.transfer(*id, to, *now),
            CallCommand::SendDtmf { id, digits, now } => self.send_dtmf(*id, digits, *now),
            CallCommand::SetMetadata { id, metadata, now } => self.set_metadata(*id, metadata, *now),
            CallCommand::StartIvr { session, menu, now } => self.start_ivr(*session, *menu, *now),
            CallCommand::StartAgent { id, agent: Some(agent), now } => self.start_agent(*id, *agent, *now),
            CallCommand::StartAgent { id, agent: None, now } => self.say(*id, DEFAULT_GREETING, *now),
            CallCommand::Gather(order) => self.gather(order),
            CallCommand::Conclude { id, farewell, reason, by, now } => {
                self.conclude(*id, farewell.as_deref(), *reason, *by, *now)
            }
            CallCommand::StartDial { effect_id, now } => self.start_dial(*effect_id, *now),
            CallCommand::PostponeDial { effect_id, now } => {
                self.sent_dial(*effect_id)?;
                let postponed = DialPostponed { effect_id: *effect_id, at: *now }.into();
                // nothing reached the carrier, so a hang-up that waited for the leg has nothing to wait for
                let withdrawn =
                    self.hang_up.map(|asked| Call::never_placed(asked.reason, asked.by, *now).into());
                Ok(std::iter::once(postponed).chain(withdrawn).collect())
            }
            CallCommand::LoseDial { effect_id, now } => {
                self.sent_dial(*effect_id)?;
                Ok(vec![DialUnknown { effect_id: *effect_id, at: *now }.into()])
            }
            CallCommand::AcceptDial { effect_id, provider, leg, now } => {
                self.open_dial(*effect_id)?;
                let (effect_id, provider, leg) = (*effect_id, provider.clone(), leg.clone());
                Ok(vec![DialAccepted { effect_id, provider, leg, at: *now }.into()])
            }
            CallCommand::FailDial { effect_id, reason, fault, code, now } => {
                self.open_dial(*effect_id)?;
                Ok(vec![self.failed_dial(*reason, *fault, code, *now).into()])
            }
            CallCommand::Settle { effect_id, outcome, attempts, now } => {
                self.settle(*effect_id, outcome, *attempts, *now)
            }
            CallCommand::StoreRecording(stored) => Ok(self.once(stored.effect_id, (**stored).clone())),
            CallCommand::GiveUpRecording(lost) => Ok(self.once(lost.effect_id, lost.clone())),
            CallCommand::RemoveRecording(removed) => {
                let kept = self.stored_file(&removed.object).is_some();
                Ok(if kept { vec![removed.clone().into()] } else { vec![] })
            }
            CallCommand::TimerFired { timer, now } => Ok(self.timer_fired(*timer, *now)),
            CallCommand::LegLost { .. } if self.is_over() || self.leg.is_none() => Ok(vec![]),
            CallCommand::LegLost { now } => Ok(vec![self.vanished(*now).into()]),
            CallCommand::MergeInto { into, role, now } => self.merge_into(*into, *role, *now),
        }
    }

    fn queue(&self, queue: &Queue) -> Decision {
        if self.exists() {
            // a repeat of the same request changes nothing
            let same = self.order.as_ref().is_some_and(|order| order.dial_id == queue.id);
            return if same { Ok(vec![]) } else { Err(CallRefusal::Exists) };
        }
        let mut faults = metadata_faults(&queue.metadata);
        if !queue.to.is_dialable() {
            faults.insert("to", "must be a number in E.164 like +12025550123, or a SIP URI");
        }
        if queue.from.as_ref().is_some_and(|from| !from.is_dialable()) {
            faults.insert("from", "must be a number in E.164 like +12025550123, or a SIP URI");
        }
        if !MAX_DURATION_MS.contains(&queue.max_duration_ms) {
            faults.insert("max_duration_ms", "must be 60000 to 14400000");
        }
        if !RING_TIMEOUT_MS.contains(&queue.ring_timeout_ms) {
            faults.insert("ring_timeout_ms", "must be 5000 to 600000");
        }
        if queue.runtime.is_hosted() && queue.agent_id.is_none() {
            faults.insert("agent_id", "must name the agent that the voice runtime runs");
        }
        if queue.runtime.is_hosted() && queue.record {
            faults.insert("record", "must be left out: calls of a hosted voice runtime are not recorded");
        }
        if !faults.is_empty() {
            return Err(CallRefusal::Invalid(faults));
        }
        Ok(vec![
            Queued {
                command_id: queue.id,
                to: queue.to.clone().into(),
                from: queue.from.clone().map(Into::into),
                agent_id: queue.agent_id,
                menu_id: queue.menu_id,
                metadata: queue.metadata.clone().into(),
                customer_id: queue.customer_id,
                max_duration_ms: queue.max_duration_ms,
                ring_timeout_ms: queue.ring_timeout_ms,
                record: queue.record,
                runtime: queue.runtime,
                at: queue.now,
            }
            .into(),
        ])
    }

    fn hang_up(&self, id: Uuid, reason: EndReason, by: EndedBy, now: Time) -> Decision {
        if self.is_over() || self.hang_up.is_some() || self.handled.contains(&id) {
            return Ok(vec![]); // what was asked for is so, or on its way
        }
        if self.dial == Some(DialState::Waiting) {
            return Ok(vec![Call::never_placed(reason, by, now).into()]);
        }
        Ok(vec![HangUpRequested { effect_id: id, reason, by, at: now }.into()])
    }

    fn say(&self, id: Uuid, text: &str, now: Time) -> Decision {
        if self.handled.contains(&id) {
            return Ok(vec![]);
        }
        if text.trim().is_empty() || text.chars().count() > MAX_SPEECH_CHARS {
            return Err(invalid("text", "must have 1 to 3000 characters"));
        }
        self.must_be_talking("say")?;
        Ok(vec![
            SpeechRequested { effect_id: id, seq: self.lines + 1, text: text.to_owned().into(), at: now }
                .into(),
        ])
    }

    fn transfer(&self, id: Uuid, to: &crate::phone::Party, now: Time) -> Decision {
        if self.handled.contains(&id) {
            return Ok(vec![]);
        }
        if !to.is_dialable() {
            return Err(invalid("to", "must be a number in E.164 like +12025550123, or a SIP URI"));
        }
        self.must_be_talking("transfer")?;
        if self.transfer.is_some() {
            return Err(CallRefusal::TransferUnderWay);
        }
        Ok(vec![TransferRequested { effect_id: id, to: to.clone().into(), at: now }.into()])
    }

    fn send_dtmf(&self, id: Uuid, digits: &str, now: Time) -> Decision {
        if self.handled.contains(&id) {
            return Ok(vec![]);
        }
        let keys = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'D' | b'*' | b'#' | b'w' | b'W'));
        if !keys || digits.is_empty() || digits.len() > MAX_DTMF_DIGITS {
            return Err(invalid("digits", "must be 1 to 64 of 0-9 A-D * # w W"));
        }
        self.must_be_talking("dtmf")?;
        Ok(vec![
            DtmfRequested { effect_id: id, seq: self.lines + 1, digits: digits.to_owned().into(), at: now }
                .into(),
        ])
    }

    fn set_metadata(&self, id: Uuid, metadata: &CallMetadata, now: Time) -> Decision {
        if self.handled.contains(&id) {
            return Ok(vec![]);
        }
        let faults = metadata_faults(metadata);
        if !faults.is_empty() {
            return Err(CallRefusal::Invalid(faults));
        }
        Ok(vec![MetadataChanged { command_id: id, metadata: metadata.clone().into(), at: now }.into()])
    }

    fn start_dial(&self, effect_id: Uuid, now: Time) -> Decision {
        match (&self.order, self.dial) {
            _ if self.effect(effect_id) != Some(&Effect::Dial) => Err(CallRefusal::Settled),
            (Some(order), Some(DialState::Waiting)) => {
                let ring_until = now + order.ring_timeout + Duration::from_secs(10);
                Ok(vec![DialStarted { effect_id, at: now, ring_until }.into()])
            }
            // started before, and the node died before it knew the answer: never dial again blindly
            (_, Some(DialState::Sent)) => Ok(vec![DialUnknown { effect_id, at: now }.into()]),
            _ => Err(CallRefusal::Settled),
        }
    }

    fn sent_dial(&self, effect_id: Uuid) -> Result<(), CallRefusal> {
        match self.dial {
            Some(DialState::Sent) if self.effect(effect_id) == Some(&Effect::Dial) => Ok(()),
            _ => Err(CallRefusal::Settled),
        }
    }

    fn open_dial(&self, effect_id: Uuid) -> Result<&Order, CallRefusal> {
        let order = self.order.as_deref().filter(|order| order.dial_id == effect_id);
        match self.dial {
            Some(DialState::Waiting | DialState::Sent | DialState::Lost) if !self.is_over() => {
                order.ok_or(CallRefusal::Settled)
            }
            _ => Err(CallRefusal::Settled),
        }
    }

    fn failed_dial(&self, reason: EndReason, fault: Fault, code: &str, now: Time) -> Ended {
        // the client wanted an end: the hang-up was waiting for the leg
        let (reason, ended_by, fault) = match self.hang_up {
            Some(HangUpAsked { reason: EndReason::ApiHangup, by, .. }) => {
                (EndReason::Cancelled, by, Fault::None)
            }
            _ => (reason, refused_by(reason, fault), fault),
        };
        let provider_code = Some(code.to_owned());
        Ended { reason, ended_by, fault, connected: false, provider_code, sip_code: None, at: now }
    }

    fn settle(&self, effect_id: Uuid, outcome: &Outcome, attempts: u32, now: Time) -> Decision {
        let Some(effect) = self.pending.get(&effect_id) else {
            return Ok(vec![]);
        };
        let command = effect.kind();
        match outcome {
            // a dial is settled by `AcceptDial`, `LoseDial` and `FailDial`, which know more
            Outcome::Accepted if command == CommandKind::Dial => Ok(vec![]),
            Outcome::Failed { code, .. } if command == CommandKind::Dial => {
                Ok(vec![self.failed_dial(EndReason::ProviderError, Fault::Provider, code, now).into()])
            }
            Outcome::Accepted => Ok(vec![CommandAccepted { effect_id, command, attempts, at: now }.into()]),
            Outcome::Failed { code, gone } => {
                let (code, gone) = (code.clone(), *gone);
                let mut facts: Vec<CallEvent> = vec![
                    CommandFailed { effect_id, command, code: code.clone(), gone, attempts, at: now }.into(),
                ];
                match command {
                    // a transfer whose answer was lost may have been carried out all the same
                    CommandKind::Transfer if self.transfer == Some(Transfer::Requested) => {
                        facts.push(TransferFailed { provider_code: code, at: now }.into());
                    }
                    // without a way to end or take the call it is out of our control
                    CommandKind::HangUp | CommandKind::Reject | CommandKind::Answer if !gone => {
                        facts.push(self.out_of_hand(code, now).into());
                    }
                    _ => {}
                }
                Ok(facts)
            }
        }
    }

    /// The outcome of an effect, unless it is known.
    fn once(&self, effect_id: Uuid, outcome: impl Into<CallEvent>) -> Vec<CallEvent> {
        if self.handled.contains(&effect_id) { vec![] } else { vec![outcome.into()] }
    }

    fn out_of_hand(&self, code: String, now: Time) -> Ended {
        Ended {
            reason: EndReason::ProviderError,
            ended_by: EndedBy::Provider,
            fault: Fault::Provider,
            connected: self.answered_at.is_some(),
            provider_code: Some(code),
            sip_code: None,
            at: now,
        }
    }

    fn timer_fired(&self, timer: Timer, now: Time) -> Vec<CallEvent> {
        // a call that waits to be dialled does not ring, and a leg of another application is not
        // ours to give up
        let rings = self.answered_at.is_none()
            && self.dial != Some(DialState::Waiting)
            && (self.order.is_some() || self.direction == Some(Direction::Inbound));
        let reason = match timer {
            // the carrier did not tell that a call we refused is over
            Timer::Ring if rings && self.rejected => self.refused(),
            Timer::Ring if rings => EndReason::NoAnswer,
            Timer::MaxDuration if self.answered_at.is_some() => EndReason::MaxDuration,
            Timer::Farewell => return self.planned_hang_up(now).into_iter().collect(),
            Timer::Ring | Timer::MaxDuration | Timer::Ivr | Timer::Update | Timer::Unused | Timer::Expiry => {
                return vec![];
            }
        };
        if self.is_over() || self.hang_up.is_some() || self.foreign {
            return vec![];
        }
        let name = timer.as_str();
        let effect_id =
            self.order.as_ref().map_or_else(|| self.effect_of_leg(name), |order| derive(order.dial_id, name));
        vec![HangUpRequested { effect_id, reason, by: EndedBy::System, at: now }.into()]
    }

    pub(super) fn must_be_talking(&self, command: &'static str) -> Result<(), CallRefusal> {
        if self.is_over() || self.answered_at.is_none() || self.hang_up.is_some() {
            return Err(CallRefusal::WrongStatus { status: self.status(), command });
        }
        Ok(())
    }

    pub(super) fn effect(&self, effect_id: Uuid) -> Option<&Effect> {
        self.pending.get(&effect_id).map(|effect| &**effect)
    }
}

/// Who ended a dial that failed.
fn refused_by(reason: EndReason, fault: Fault) -> EndedBy {
    match reason {
        EndReason::InvalidNumber | EndReason::ConcurrencyLimit | EndReason::Rejected => EndedBy::Provider,
        _ if fault == Fault::Provider => EndedBy::Provider,
        _ => EndedBy::System,
    }
}

fn invalid(field: &'static str, detail: &'static str) -> CallRefusal {
    CallRefusal::Invalid(BTreeMap::from([(field, detail)]))
}

/// The fields at fault of metadata that is out of bounds, and what would be right.
pub(crate) fn metadata_faults(metadata: &CallMetadata) -> BTreeMap<&'static str, &'static str> {
    let bytes = serde_json::to_vec(metadata).map_or(usize::MAX, |json| json.len());
    let keys = metadata.keys().all(|key| !key.is_empty() && key.chars().count() <= 64);
    if metadata.len() > MAX_METADATA_KEYS || bytes > MAX_METADATA_BYTES || !keys {
        BTreeMap::from([("metadata", "must have at most 50 keys of 1 to 64 characters and 16 KiB as JSON")])
    } else {
        BTreeMap::new()
    }
}
