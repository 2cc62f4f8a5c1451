//! What follows from a carrier's webhook. It may come twice, late, early, or for a call nobody knows.

use std::time::Duration;

use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::command::Routing;
use super::event::{
    Answered, AnswererDetected, CallEvent, CarrierEventReceived, CostRecorded, DialAccepted, DigitsGathered,
    Disposition, DtmfReceived, EffectRequested, LineTranscribed, Received, RecordingAvailable, RecordingLost,
    RejectCause, RejectRequested, Ringing, SpeechEnded, SpeechRequested, TransferConnected, TransferFailed,
};
use super::report::{CarrierFact, CarrierReport, HangUp, LegRole, RecordingSaved};
use super::state::{Call, DialState, Transfer};
use super::terms::{Direction, Speaker, TranscriptTrack};
use crate::envelope::Time;
use crate::ids::{CarrierEventId, derive};
use crate::number::Route;

/// What a caller hears until agents have a greeting of their own.
pub const DEFAULT_GREETING: &str = "Hello, thank you for calling. How can I help you today?";

/// How long an inbound call may ring before it is given up.
pub const INBOUND_RING_TIMEOUT: Duration = Duration::from_secs(60);

impl Call {
    pub(super) fn take_report(
        &self,
        report: &CarrierReport,
        role: LegRole,
        routing: Option<Routing>,
    ) -> Vec<CallEvent> {
        if self.has_seen(&report.provider, &report.event_id) {
            return vec![];
        }
        let facts = match role {
            LegRole::Main => self.main_leg(report, routing),
            LegRole::TransferTarget => {
                let mut facts = self.first_heard(report, routing);
                facts.extend(self.target_leg(report));
                facts
            }
        };
        let disposition = match (&report.fact, facts.is_empty()) {
            (_, false) => Disposition::Applied,
            (CarrierFact::Noted | CarrierFact::SpeechStarted | CarrierFact::Bridged, true) => {
                Disposition::Noted
            }
            (_, true) => Disposition::Late,
        };
        let receipt = CarrierEventReceived {
            provider: report.provider.clone(),
            event_id: report.event_id.clone(),
            event_type: report.event_type.clone(),
            occurred_at: report.occurred_at,
            disposition,
            leg_role: role,
            raw: ByteBuf::from(report.raw.clone()).into(),
        };
        std::iter::once(receipt.into()).chain(facts).collect()
    }

    /// A call nobody knows begins with what its first webhook tells.
    fn first_heard(&self, report: &CarrierReport, routing: Option<Routing>) -> Vec<CallEvent> {
        if self.exists() {
            return vec![];
        }
        let direction = match (&report.fact, report.tag) {
            (CarrierFact::Initiated { direction }, _) => *direction,
            (_, Some(_)) => Direction::Outbound,
            (_, None) => Direction::Inbound,
        };
        let routing = routing.filter(|_| direction == Direction::Inbound);
        vec![
            Received {
                provider: report.provider.clone(),
                leg: report.leg.clone(),
                direction,
                from: report.from.clone().map(Into::into),
                to: report.to.clone().map(Into::into),
                number_id: routing.map(|found| found.number_id),
                route: routing.map(|found| found.route),
                at: report.occurred_at,
                ring_until: report.occurred_at + INBOUND_RING_TIMEOUT,
            }
            .into(),
        ]
    }

    fn main_leg(&self, report: &CarrierReport, routing: Option<Routing>) -> Vec<CallEvent> {
        let at = report.occurred_at;
        let mut facts = self.first_heard(report, routing);
        let new = !facts.is_empty();
        let route = if new { routing.map(|found| found.route) } else { self.route };
        let direction = match facts.first() {
            Some(CallEvent::Received(received)) => received.direction,
            _ => self.direction.unwrap_or(Direction::Inbound),
        };
        facts.extend(self.found_leg(report));
        let basis = CarrierEventId::of(&report.provider, &report.event_id).0;
        match &report.fact {
            CarrierFact::Initiated { .. } if direction == Direction::Outbound => {
                if !self.ringing && !self.is_over() && self.answered_at.is_none() && !new {
                    facts.push(Ringing { at }.into());
                }
            }
            CarrierFact::Initiated { .. } => {
                if self.answered_at.is_none() && !self.is_over() {
                    facts.push(take_or_refuse(route, basis, at));
                }
            }
            CarrierFact::Answered => facts.extend(self.answered(direction, route, basis, at)),
            CarrierFact::HungUp(hang_up) if !self.is_over() => {
                facts.push(self.ending(hang_up, direction, at).into());
            }
            CarrierFact::HungUp(_) => {}
            CarrierFact::Bridged => {
                if self.transfer == Some(Transfer::Requested) {
                    facts.push(TransferConnected { at }.into());
                }
            }
            other => facts.extend(self.told(other, at)),
        }
        facts
    }

    /// A webhook of a leg we dialled is also the answer to the dial, should that have been lost or be slower.
    fn found_leg(&self, report: &CarrierReport) -> Option<CallEvent> {
        let order = self.order.as_ref()?;
        let open = matches!(self.dial, Some(DialState::Waiting | DialState::Sent | DialState::Lost));
        (open && !self.is_over()).then(|| {
            DialAccepted {
                effect_id: order.dial_id,
                provider: report.provider.clone(),
                leg: report.leg.clone(),
                at: report.occurred_at,
            }
            .into()
        })
    }

    fn answered(&self, direction: Direction, route: Option<Route>, basis: Uuid, at: Time) -> Vec<CallEvent> {
        if self.answered_at.is_some() {
            return vec![];
        }
        let max_duration = if self.exists() { self.max_duration } else { super::DEFAULT_MAX_DURATION };
        let mut facts = vec![Answered { at, ends_by: at + max_duration }.into()];
        let greets = direction == Direction::Inbound && matches!(route, Some(Route::Agent { .. }));
        if greets && !self.is_over() && self.hang_up.is_none() {
            facts.push(
                SpeechRequested {
                    effect_id: derive(basis, "greeting"),
                    seq: self.lines + 1,
                    text: DEFAULT_GREETING.to_owned().into(),
                    at,
                }
                .into(),
            );
        }
        facts
    }

    /// Facts that stand for themselves, whenever they come.
    fn told(&self, fact: &CarrierFact, at: Time) -> Option<CallEvent> {
        let seq = self.lines + 1;
        Some(match fact {
            CarrierFact::SpeechEnded(outcome) => SpeechEnded { outcome: *outcome, at }.into(),
            CarrierFact::Dtmf(digit) => DtmfReceived { seq, digit: digit.clone(), at }.into(),
            CarrierFact::Gathered { digits, status } => {
                DigitsGathered { digits: digits.clone(), status: status.clone(), at }.into()
            }
            CarrierFact::AnsweredBy(answered_by) => AnswererDetected { answered_by: *answered_by, at }.into(),
            CarrierFact::RecordingSaved(saved) => recording(saved, at).into(),
            CarrierFact::RecordingFailed { reason } => RecordingLost { reason: reason.clone(), at }.into(),
            CarrierFact::Transcribed(line) if line.is_final => LineTranscribed {
                seq,
                speaker: match line.track {
                    TranscriptTrack::Inbound => Speaker::Caller,
                    TranscriptTrack::Outbound => Speaker::Agent,
                },
                text: line.text.clone(),
                confidence_permille: line.confidence_permille,
                at,
            }
            .into(),
            CarrierFact::Cost(cost) => CostRecorded { cost: cost.clone(), at }.into(),
            _ => return None,
        })
    }

    fn target_leg(&self, report: &CarrierReport) -> Option<CallEvent> {
        let at = report.occurred_at;
        match &report.fact {
            _ if self.transfer != Some(Transfer::Requested) => None,
            CarrierFact::Bridged => Some(TransferConnected { at }.into()),
            CarrierFact::HungUp(HangUp { provider_code, .. }) if !self.is_over() => {
                Some(TransferFailed { provider_code: provider_code.clone(), at }.into())
            }
            _ => None,
        }
    }
}

fn take_or_refuse(route: Option<Route>, basis: Uuid, at: Time) -> CallEvent {
    let refuse = |cause| RejectRequested { effect_id: derive(basis, "reject"), cause, at }.into();
    match route {
        Some(Route::Agent { .. } | Route::IvrMenu { .. }) => {
            CallEvent::AnswerRequested(EffectRequested { effect_id: derive(basis, "answer"), at })
        }
        Some(Route::Reject) => refuse(RejectCause::Route),
        None => refuse(RejectCause::UnknownNumber),
    }
}

fn recording(saved: &RecordingSaved, at: Time) -> RecordingAvailable {
    let duration = saved.started_at.zip(saved.ended_at).map(|(start, end)| (end - start).num_milliseconds());
    RecordingAvailable {
        recording_id: saved.recording_id.clone(),
        url: saved.url.clone(),
        url_expires_at: saved.url_expires_at,
        format: saved.format,
        duration_ms: duration.and_then(|ms| u64::try_from(ms).ok()),
        at,
    }
}
