//! Fixtures for scenarios of calls: a caller, a carrier and a client. All times, ids and numbers
//! are invented and fixed.

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use crate::call::report::{
    CarrierFact, CarrierReport, HangUp, HangUpCause, HangUpSource, LegRef, LegRole, LegTag, RecordingSaved,
    Transcribed,
};
use crate::call::terms::{Direction, EndReason, EndedBy, Fault, RecordingFormat, TranscriptTrack};
use crate::call::{CallCommand, Outcome, Queue, Routing, Timer};
use crate::envelope::Time;
use crate::ids::{CallId, ClientId, MenuId, NumberId};
use crate::money::Money;
use crate::number::Route;
use crate::phone::Party;

/// The carrier of every fixture.
pub const PROVIDER: &str = "telnyx";
pub const CLIENT: ClientId = ClientId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_00c1));
pub const CALL: CallId = CallId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_00ca));
/// Phone number of the client.
pub const OUR_NUMBER: &str = "+12025550188";
/// The id of the client's number.
pub const OUR_NUMBER_ID: NumberId = NumberId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_00b1));
/// Phone number of the other party.
pub const THEIR_NUMBER: &str = "+12025550123";
/// A colleague a call may be transferred to.
pub const COLLEAGUE: &str = "+12025550155";
pub const MENU: Route =
    Route::IvrMenu { id: MenuId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_00e1)) };
/// Route to the client's default agent.
pub const AGENT: Route = Route::Agent { id: None };
/// Id of the command that queues [`queue`]'s call, and of its dial.
pub const DIAL: Uuid = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_00d1);

/// The `n`th of a row of ids.
#[must_use]
pub const fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0193_0000_0000_7000_9000_0000_0000_0000 | n)
}

/// A time so many seconds after 2026-01-15 10:20:30 UTC.
#[must_use]
pub fn at(seconds: i64) -> Time {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_768_472_430 + seconds)
}

/// A leg as the carrier names it.
#[must_use]
pub fn leg(name: &str) -> LegRef {
    LegRef {
        control_id: Some(format!("v3:{name}")),
        leg_id: name.to_owned(),
        session_id: Some("session-1".to_owned()),
        connection_id: Some("1900000000000000001".to_owned()),
    }
}

/// A leg, and how the carrier reports on it.
#[derive(Debug, Clone)]
pub struct Line {
    pub leg: LegRef,
    pub direction: Direction,
    /// Which leg of the call it is.
    pub role: LegRole,
    /// Where the called number sends its calls; `None` if it is not the client's.
    pub route: Option<Route>,
}

impl Line {
    /// Somebody calls the client's number, which goes to `route`.
    #[must_use]
    pub fn inbound(route: Route) -> Self {
        Self { leg: leg("leg-in"), direction: Direction::Inbound, role: LegRole::Main, route: Some(route) }
    }

    /// Somebody calls a number that is not the client's.
    #[must_use]
    pub fn inbound_to_nobody() -> Self {
        Self { route: None, ..Self::inbound(Route::Reject) }
    }

    /// The leg of [`queue`]'s dial.
    #[must_use]
    pub fn dialled() -> Self {
        Self { leg: leg("leg-out"), direction: Direction::Outbound, role: LegRole::Main, route: None }
    }

    /// The leg a transfer places.
    #[must_use]
    pub fn transfer_target() -> Self {
        Self { leg: leg("leg-target"), role: LegRole::TransferTarget, ..Self::dialled() }
    }

    /// A webhook. Like the carrier's, it names the parties only if it is of a kind that does, and two about the
    /// same fact at the same second have the same event id.
    #[must_use]
    pub fn report(&self, fact: CarrierFact, seconds: i64) -> CarrierReport {
        let kind = kind_of(&fact);
        let (from, to) = match (self.direction, self.role) {
            (Direction::Inbound, _) => (THEIR_NUMBER, OUR_NUMBER),
            (Direction::Outbound, LegRole::Main) => (OUR_NUMBER, THEIR_NUMBER),
            (Direction::Outbound, LegRole::TransferTarget) => (OUR_NUMBER, COLLEAGUE),
        };
        let mut leg = self.leg.clone();
        if !kind.names_control_id {
            leg.control_id = None;
        }
        let tag = LegTag { client: CLIENT, call: CALL, role: self.role };
        CarrierReport {
            provider: PROVIDER.to_owned(),
            event_id: format!("{}/{}@{seconds}", leg.leg_id, kind.name),
            event_type: kind.name.to_owned(),
            occurred_at: at(seconds),
            leg,
            tag: (self.direction == Direction::Outbound).then_some(tag),
            ask: None,
            from: kind.names_parties.then(|| Party::new(from)),
            to: kind.names_parties.then(|| Party::new(to)),
            fact,
            raw: br#"{"data":{}}"#.to_vec(),
        }
    }

    /// The command that brings a webhook to the call: the called number is looked up where the webhook names it.
    #[must_use]
    pub fn takes(&self, report: CarrierReport) -> CallCommand {
        let routing = self.route.filter(|_| report.to.is_some() && self.direction == Direction::Inbound);
        let routing = routing.map(|route| Routing { number_id: OUR_NUMBER_ID, route, covered: true });
        CallCommand::Report { report: Box::new(report), role: self.role, routing }
    }

    /// The command that brings a webhook about this fact to the call.
    #[must_use]
    pub fn says(&self, fact: CarrierFact, seconds: i64) -> CallCommand {
        self.takes(self.report(fact, seconds))
    }

    /// The carrier reports the new leg.
    #[must_use]
    pub fn initiated(&self, seconds: i64) -> CallCommand {
        self.says(CarrierFact::Initiated { direction: self.direction }, seconds)
    }

    /// The leg is answered.
    #[must_use]
    pub fn answered(&self, seconds: i64) -> CallCommand {
        self.says(CarrierFact::Answered, seconds)
    }

    /// The leg is connected to another one.
    #[must_use]
    pub fn bridged(&self, seconds: i64) -> CallCommand {
        self.says(CarrierFact::Bridged, seconds)
    }

    /// The person at the other end hangs up.
    #[must_use]
    pub fn hung_up(&self, seconds: i64) -> CallCommand {
        self.says(remote_hang_up(self.direction), seconds)
    }
}

struct Kind {
    name: &'static str,
    names_parties: bool,
    names_control_id: bool,
}

const fn kind_of(fact: &CarrierFact) -> Kind {
    let (name, names_parties) = match fact {
        CarrierFact::Initiated { .. } => ("call.initiated", true),
        CarrierFact::Answered => ("call.answered", true),
        CarrierFact::Bridged => ("call.bridged", true),
        CarrierFact::HungUp(_) => ("call.hangup", true),
        CarrierFact::SpeechStarted => ("call.speak.started", false),
        CarrierFact::SpeechEnded(_) => ("call.speak.ended", false),
        CarrierFact::Dtmf(_) => ("call.dtmf.received", true),
        CarrierFact::Gathered { .. } => ("call.gather.ended", true),
        CarrierFact::AnsweredBy(_) => ("call.machine.detection.ended", true),
        CarrierFact::RecordingSaved(_) => ("call.recording.saved", false),
        CarrierFact::RecordingFailed { .. } => ("call.recording.error", false),
        CarrierFact::Transcribed(_) => ("call.transcription", false),
        CarrierFact::Cost(_) => ("call.cost", false),
        CarrierFact::Hosted(_) => ("call.snapshot", false),
        CarrierFact::Noted => ("call.enqueued", false),
    };
    // Telnyx's own examples of these lack the id
    let names_control_id = !matches!(fact, CarrierFact::AnsweredBy(_) | CarrierFact::RecordingFailed { .. });
    Kind { name, names_parties, names_control_id }
}

/// A leg ends in the carrier's words.
#[must_use]
pub fn hang_up_report(
    cause: HangUpCause,
    source: HangUpSource,
    word: &str,
    sip_code: Option<u16>,
) -> CarrierFact {
    CarrierFact::HungUp(HangUp { cause, source, provider_code: word.to_owned(), sip_code })
}

/// The person at the other end of a leg hangs up.
#[must_use]
pub fn remote_hang_up(direction: Direction) -> CarrierFact {
    let source = match direction {
        Direction::Inbound => HangUpSource::Caller,
        Direction::Outbound => HangUpSource::Callee,
    };
    hang_up_report(HangUpCause::Normal, source, "normal_clearing", Some(200))
}

/// Something is said and understood.
#[must_use]
pub fn utterance(text: &str) -> CarrierFact {
    CarrierFact::Transcribed(Transcribed {
        text: text.to_owned().into(),
        confidence_permille: Some(940),
        is_final: true,
        track: TranscriptTrack::Inbound,
    })
}

/// A recording of half a minute can be fetched.
#[must_use]
pub fn recording_saved() -> CarrierFact {
    CarrierFact::RecordingSaved(RecordingSaved {
        recording_id: Some("recording-1".to_owned()),
        url: Some("https://storage.example.test/rec.mp3?sig=x".to_owned().into()),
        format: Some(RecordingFormat::Mp3),
        started_at: Some(at(2)),
        ended_at: Some(at(32)),
        url_expires_at: Some(at(632)),
        channels: Some(2),
    })
}

/// The carrier charges so many millionths of a dollar.
#[must_use]
pub fn cost(amount_micros: i64) -> CarrierFact {
    CarrierFact::Cost(Money { amount_micros, currency: "USD".to_owned() })
}

/// A request for a call: no recording, half a minute of ringing, at most an hour.
#[must_use]
pub fn queue() -> Queue {
    Queue {
        id: DIAL,
        to: Party::new(THEIR_NUMBER),
        from: Some(Party::new(OUR_NUMBER)),
        agent_id: None,
        menu_id: None,
        metadata: [("order".to_owned(), serde_json::json!(7))].into(),
        customer_id: None,
        max_duration_ms: 3_600_000,
        ring_timeout_ms: 30_000,
        record: false,
        runtime: crate::agent::AgentRuntime::Carrier,
        now: at(0),
    }
}

/// Queues the call of [`queue`].
#[must_use]
pub fn queued() -> CallCommand {
    CallCommand::Queue(Box::new(queue()))
}

/// The outbox is about to dial.
#[must_use]
pub fn start_dial(seconds: i64) -> CallCommand {
    CallCommand::StartDial { effect_id: DIAL, now: at(seconds) }
}

/// The carrier answers the dial.
#[must_use]
pub fn accept_dial(seconds: i64) -> CallCommand {
    CallCommand::AcceptDial {
        effect_id: DIAL,
        provider: PROVIDER.to_owned(),
        leg: Line::dialled().leg,
        now: at(seconds),
    }
}

/// The answer to the dial is lost.
#[must_use]
pub fn lose_dial(seconds: i64) -> CallCommand {
    CallCommand::LoseDial { effect_id: DIAL, now: at(seconds) }
}

/// The lost dial never showed up.
#[must_use]
pub fn fail_dial(reason: EndReason, fault: Fault, seconds: i64) -> CallCommand {
    CallCommand::FailDial { effect_id: DIAL, reason, fault, code: "10015".to_owned(), now: at(seconds) }
}

/// A hang-up over REST.
#[must_use]
pub fn hang_up(n: u128, seconds: i64) -> CallCommand {
    CallCommand::HangUp { id: id(n), reason: EndReason::ApiHangup, by: EndedBy::Operator, now: at(seconds) }
}

/// A text to speak.
#[must_use]
pub fn say(n: u128, text: &str, seconds: i64) -> CallCommand {
    CallCommand::Say { id: id(n), text: text.to_owned(), now: at(seconds) }
}

/// A transfer to [`COLLEAGUE`].
#[must_use]
pub fn transfer(n: u128, seconds: i64) -> CallCommand {
    CallCommand::Transfer { id: id(n), to: Party::new(COLLEAGUE), now: at(seconds) }
}

/// DTMF keys to send.
#[must_use]
pub fn send_dtmf(n: u128, digits: &str, seconds: i64) -> CallCommand {
    CallCommand::SendDtmf { id: id(n), digits: digits.to_owned(), now: at(seconds) }
}

/// A timer runs out.
#[must_use]
pub fn timer_fired(timer: Timer, seconds: i64) -> CallCommand {
    CallCommand::TimerFired { timer, now: at(seconds) }
}

/// The carrier accepted a command, at the first attempt.
#[must_use]
pub fn accepted(effect_id: Uuid, seconds: i64) -> CallCommand {
    CallCommand::Settle { effect_id, outcome: Outcome::Accepted, attempts: 1, now: at(seconds) }
}

/// The carrier refused a command for good.
#[must_use]
pub fn failed(effect_id: Uuid, code: &str, gone: bool, seconds: i64) -> CallCommand {
    let outcome = Outcome::Failed { code: code.to_owned(), gone };
    CallCommand::Settle { effect_id, outcome, attempts: 1, now: at(seconds) }
}

/// Commands that lead to an inbound call answered at second 4.
#[must_use]
pub fn talking_inbound(route: Route) -> Vec<CallCommand> {
    let line = Line::inbound(route);
    vec![line.initiated(1), line.answered(4)]
}

/// Commands that lead to an outbound call answered at second 9.
#[must_use]
pub fn talking_outbound() -> Vec<CallCommand> {
    let line = Line::dialled();
    vec![queued(), start_dial(1), accept_dial(2), line.initiated(3), line.answered(9)]
}
