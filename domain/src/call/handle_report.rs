//! What follows from a carrier's webhook, which may come twice, late, early, or for an unknown call.

use std::borrow::Cow;
use std::time::Duration;

use serde_bytes::ByteBuf;

use super::command::Routing;
use super::event::{
    Answered, AnswererDetected, CallEvent, CarrierEventReceived, CostRecorded, DialAccepted, DigitsGathered,
    Disposition, DtmfReceived, EffectRequested, EndCorrected, GatheredLine, LineTranscribed, Received,
    RecordingAvailable, RecordingLost, RejectCause, RejectRequested, Ringing, RuntimeBilled, SpeechEnded,
    SpeechRequested, TranscriptRequested, TransferConnected, TransferFailed,
};
use super::report::{
    CarrierFact, CarrierReport, HangUp, HangUpCause, HostedCall, LegRole, RecordingSaved, RuntimeBill,
};
use super::state::{Call, DialState, Transfer};
use super::terms::{AnsweredBy, Direction, RecordingStatus, Speaker, TranscriptTrack};
use crate::envelope::Time;
use crate::money::Money;
use crate::number::Route;
use crate::personal::Personal;

/// Spoken where an agent has no greeting of its own, and where the route names no agent.
pub const DEFAULT_GREETING: &str = "Hello, thank you for calling. How can I help you today?";

/// How long an inbound call may ring before it is given up.
pub const INBOUND_RING_TIMEOUT: Duration = Duration::from_secs(60);

/// The facts found so far in a webhook, and the call after applying them.
struct Decisions<'a> {
    call: Cow<'a, Call>,
    facts: Vec<CallEvent>,
}

impl Decisions<'_> {
    fn tell(&mut self, fact: impl Into<CallEvent>) {
        let fact = fact.into();
        self.call.to_mut().apply(&fact);
        self.facts.push(fact);
    }

    fn push_any(&mut self, fact: Option<impl Into<CallEvent>>) {
        if let Some(fact) = fact {
            self.tell(fact);
        }
    }
}

impl Call {
    pub(super) fn handle_report(
        &self,
        report: &CarrierReport,
        role: LegRole,
        routing: Option<Routing>,
    ) -> Vec<CallEvent> {
        if self.has_seen(&report.provider, &report.event_id) {
            return vec![];
        }
        let mut story = Decisions { call: Cow::Borrowed(self), facts: vec![] };
        if !self.exists() {
            story.tell(first_heard(report, routing));
        }
        let last = match role {
            LegRole::Main => {
                story.main_leg(report, routing);
                story.call.told(report)
            }
            LegRole::TransferTarget => story.call.target_leg(report),
        };
        let mut facts: Vec<CallEvent> = story.facts.into_iter().chain(last).collect();
        if facts.iter().any(|fact| matches!(fact, CallEvent::TransferConnected(_))) {
            facts.extend(self.ended_transferred().map(CallEvent::from));
        }
        let receipt = CarrierEventReceived {
            provider: report.provider.clone(),
            event_id: report.event_id.clone(),
            event_type: report.event_type.clone(),
            occurred_at: report.occurred_at,
            disposition: disposition(&report.fact, role, facts.is_empty()),
            leg_role: role,
            raw: match self.hides(report) {
                true => Personal::erased(),
                false => ByteBuf::from(report.raw.clone()).into(),
            },
        };
        std::iter::once(receipt.into()).chain(facts).collect()
    }

    /// Accepts an open dial: a webhook of the leg we dialled proves that the carrier has the call, even if
    /// its answer was lost or comes later.
    fn found_leg(&self, report: &CarrierReport) -> Option<DialAccepted> {
        let order = self.order.as_ref()?;
        let open = matches!(self.dial, Some(DialState::Waiting | DialState::Sent | DialState::Lost));
        (open && !self.is_over()).then(|| DialAccepted {
            effect_id: order.dial_id,
            provider: report.provider.clone(),
            leg: report.leg.clone(),
            at: report.occurred_at,
        })
    }

    /// Takes or refuses a ringing inbound call, once, however often the carrier reports it.
    fn take_or_refuse(&self, at: Time, covered: bool) -> Option<CallEvent> {
        let asked = |purpose| self.handled.contains(&self.effect_of_leg(purpose));
        let waiting = self.answered_at.is_none() && !self.is_over() && self.hang_up.is_none();
        if self.direction != Some(Direction::Inbound) || !waiting || asked("answer") || asked("reject") {
            return None;
        }
        let refuse = |cause| RejectRequested { effect_id: self.effect_of_leg("reject"), cause, at }.into();
        Some(match self.route {
            Some(Route::Agent { .. } | Route::IvrMenu { .. }) if !covered => refuse(RejectCause::NoCredit),
            Some(Route::Agent { .. } | Route::IvrMenu { .. }) => {
                CallEvent::AnswerRequested(EffectRequested { effect_id: self.effect_of_leg("answer"), at })
            }
            Some(Route::Reject) => refuse(RejectCause::Route),
            None => refuse(RejectCause::UnknownNumber),
        })
    }

    fn answered(&self, at: Time) -> Option<Answered> {
        let ends_by = at + self.max_duration;
        let ends_by = self.ended.as_ref().map_or(ends_by, |ended| ends_by.min(ended.at));
        self.answered_at.is_none().then_some(Answered { at, ends_by })
    }

    /// Greets a caller whose route goes to an agent but names none, once the call is answered and its route
    /// known; either may come first. An agent greets by itself.
    fn greeting(&self, at: Time) -> Option<SpeechRequested> {
        let talking = self.answered_at.is_some() && !self.is_over() && self.hang_up.is_none();
        let to_agent = self.direction == Some(Direction::Inbound)
            && matches!(self.route, Some(Route::Agent { id: None }));
        if !talking || !to_agent || self.foreign {
            return None;
        }
        let effect_id = self.effect_of_leg("greeting");
        (!self.handled.contains(&effect_id)).then(|| SpeechRequested {
            effect_id,
            seq: self.lines + 1,
            text: DEFAULT_GREETING.to_owned().into(),
            at,
        })
    }

    /// The fact that follows whatever the call's status, if any: keys, transcript lines, recordings, cost.
    fn told(&self, report: &CarrierReport) -> Option<CallEvent> {
        let at = report.occurred_at;
        let (seq, place) = (self.lines + 1, self.heard.place(at));
        Some(match &report.fact {
            CarrierFact::SpeechEnded(outcome) => SpeechEnded { outcome: *outcome, at }.into(),
            CarrierFact::Dtmf(digit) => {
                let repeated = self.is_repeated_key(digit, at);
                let (seq, place) = if repeated { (self.lines, None) } else { (seq, place) };
                let digit = if self.hides(report) { Personal::erased() } else { digit.clone() };
                DtmfReceived { seq, place, digit, gather: self.gather_of(report), repeated, at }.into()
            }
            CarrierFact::Gathered { digits, status } => {
                let (hidden, untold) = (self.hides(report), self.untold_keys(digits, at));
                let line = |untold: String| {
                    let digits = if hidden { Personal::erased() } else { untold.into() };
                    GatheredLine { seq, place, digits }
                };
                let length = digits.reveal().map_or(0, |keys| u32::try_from(keys.len()).unwrap_or(u32::MAX));
                DigitsGathered {
                    digits: if hidden { Personal::erased() } else { digits.clone() },
                    status: status.clone(),
                    gather: self.gather_of(report),
                    length: hidden.then_some(length),
                    line: (!untold.is_empty()).then(|| line(untold)),
                    at,
                }
                .into()
            }
            CarrierFact::AnsweredBy(answered_by)
                if certainty(self.answered_by) < certainty(Some(*answered_by)) =>
            {
                AnswererDetected { answered_by: *answered_by, at }.into()
            }
            CarrierFact::RecordingSaved(saved) => recording(saved, at).into(),
            // a recording that can be fetched is not lost, whichever of several recordings the carrier means
            CarrierFact::RecordingFailed { reason } if self.recording != Some(RecordingStatus::Available) => {
                RecordingLost { reason: reason.clone(), at }.into()
            }
            CarrierFact::Transcribed(line) if line.is_final => LineTranscribed {
                seq,
                place: place.filter(|_| line.track == TranscriptTrack::Inbound),
                speaker: match line.track {
                    TranscriptTrack::Inbound => Speaker::Caller,
                    TranscriptTrack::Outbound => Speaker::Agent,
                },
                text: line.text.clone(),
                confidence_permille: line.confidence_permille,
                at,
            }
            .into(),
            CarrierFact::Cost(charge) => return self.charged(report, charge),
            _ => return None,
        })
    }

    /// Adds the charge of a leg, once; a call has as many charges as legs.
    fn charged(&self, report: &CarrierReport, charge: &Money) -> Option<CallEvent> {
        let leg_id = self.leg_id_of(report);
        if self.charged_legs.contains(leg_id) {
            return None;
        }
        let before = self.cost.as_ref().filter(|cost| cost.currency == charge.currency);
        let amount_micros = before.map_or(0, |cost| cost.amount_micros).saturating_add(charge.amount_micros);
        let cost = Money { amount_micros, currency: charge.currency.clone() };
        Some(CostRecorded { cost, leg_id: leg_id.to_owned(), at: report.occurred_at }.into())
    }

    /// The leg id under which we know the report's leg: the carrier may name the call's own leg by
    /// its control id alone.
    fn leg_id_of<'a>(&'a self, report: &'a CarrierReport) -> &'a str {
        let own = self.leg.as_ref().filter(|leg| {
            let control_id = report.leg.control_id.as_ref();
            control_id.is_some() && leg.control_id.as_ref() == control_id
        });
        own.map_or(&report.leg.leg_id, |leg| &leg.leg_id)
    }

    fn target_leg(&self, report: &CarrierReport) -> Option<CallEvent> {
        let at = report.occurred_at;
        let under_way = self.transfer == Some(Transfer::Requested);
        match &report.fact {
            CarrierFact::Cost(charge) => self.charged(report, charge),
            // the carrier reported that the transfer failed, and yet the parties talk
            CarrierFact::Bridged if self.transfer != Some(Transfer::Connected) => {
                Some(TransferConnected { at }.into())
            }
            CarrierFact::HungUp(hang_up) if under_way => match hang_up.cause {
                // only a leg that was answered ends like this: the webhook about the bridge is still on its way
                HangUpCause::Normal | HangUpCause::TimeLimit => Some(TransferConnected { at }.into()),
                _ if self.is_over() => None,
                _ => {
                    let provider_code = hang_up.provider_code.clone();
                    Some(TransferFailed { provider_code, at }.into())
                }
            },
            _ => None,
        }
    }
}

impl Decisions<'_> {
    fn main_leg(&mut self, report: &CarrierReport, routing: Option<Routing>) {
        let at = report.occurred_at;
        let dialled = self.call.order.is_some();
        self.push_any(self.call.found_leg(report));
        self.push_any(self.call.learned(report, routing));
        match &report.fact {
            CarrierFact::Initiated { .. } => {
                if dialled && !self.call.ringing {
                    // a late webhook changes no status, only when the call is known to have rung
                    self.tell(Ringing { at });
                }
                self.push_any(self.call.take_or_refuse(at, routing.is_none_or(|routing| routing.covered)));
            }
            CarrierFact::Answered => self.push_any(self.call.answered(at)),
            CarrierFact::HungUp(hang_up) => self.hung_up(hang_up, at),
            CarrierFact::Hosted(known) => self.hosted(known, report),
            CarrierFact::Bridged if self.call.transfer == Some(Transfer::Requested) => {
                self.tell(TransferConnected { at });
            }
            _ => {}
        }
        self.push_any(self.call.greeting(at));
    }

    fn hung_up(&mut self, hang_up: &HangUp, at: Time) {
        if !self.call.is_over() {
            self.tell(self.call.ending(hang_up, at));
        } else if self.call.end_is_inferred() {
            self.tell(EndCorrected(self.call.ending(hang_up, at)));
        }
    }

    /// Catches up with what a voice runtime knows. Snapshots come in any order, so that an older one adds nothing.
    fn hosted(&mut self, known: &HostedCall, report: &CarrierReport) {
        if let Some(joined_at) = known.joined_at {
            self.push_any(self.call.answered(joined_at));
        }
        if let Some((at, hang_up)) = &known.ended {
            self.hung_up(hang_up, *at);
        }
        let asked = |purpose| self.call.handled.contains(&self.call.effect_of_leg(purpose));
        let purpose = if known.messages_final { "transcript" } else { "early_transcript" };
        let talked = self.call.is_over() && self.call.answered_at.is_some();
        if talked && !asked(purpose) && !asked("transcript") {
            let (effect_id, early) = (self.call.effect_of_leg(purpose), !known.messages_final);
            self.tell(TranscriptRequested { effect_id, early, at: report.occurred_at });
        }
        let final_bill = |before: &RuntimeBill| before.is_refund() || known.billed.as_ref() == Some(before);
        if let Some(bill) =
            known.billed.clone().filter(|_| !self.call.billed.as_ref().is_some_and(final_bill))
        {
            let (provider, at) = (report.provider.clone(), report.occurred_at);
            self.tell(RuntimeBilled { provider, bill, at });
        }
    }
}

/// Whether the webhook offers us an inbound call. Any other webhook of an unknown leg without our tag means
/// that another application controls the leg.
pub(super) fn offers(report: &CarrierReport) -> bool {
    matches!(report.fact, CarrierFact::Initiated { direction: Direction::Inbound })
}

/// Begins an unknown call with what its first webhook reports.
fn first_heard(report: &CarrierReport, routing: Option<Routing>) -> Received {
    let direction = match (&report.fact, report.tag, routing) {
        (CarrierFact::Initiated { direction }, ..) => *direction,
        (CarrierFact::Hosted(known), ..) if known.outbound => Direction::Outbound,
        // legs we dial carry our tag from the start, inbound ones from our first command on
        (_, Some(_), None) => Direction::Outbound,
        _ => Direction::Inbound,
    };
    let routing = routing.filter(|_| direction == Direction::Inbound);
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
        foreign: report.tag.is_none() && !offers(report),
    }
}

fn disposition(fact: &CarrierFact, role: LegRole, nothing_follows: bool) -> Disposition {
    match (fact, role) {
        _ if !nothing_follows => Disposition::Applied,
        (CarrierFact::Noted | CarrierFact::SpeechStarted | CarrierFact::Bridged, _) => Disposition::Noted,
        (CarrierFact::Transcribed(line), _) if !line.is_final => Disposition::Noted,
        (CarrierFact::HungUp(_), LegRole::TransferTarget) | (_, LegRole::Main) => Disposition::Late,
        (_, LegRole::TransferTarget) => Disposition::Noted,
    }
}

/// Rank of a detection: only a higher one replaces it. Only machines beep, and a doubt takes nothing back.
const fn certainty(answered_by: Option<AnsweredBy>) -> u8 {
    match answered_by {
        None => 0,
        Some(AnsweredBy::NotSure) => 1,
        Some(AnsweredBy::Human) => 2,
        Some(AnsweredBy::Machine) => 3,
        Some(AnsweredBy::Fax) => 4,
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
        channels: saved.channels,
        at,
    }
}
