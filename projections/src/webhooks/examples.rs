//! Examples of public events, made by the same code as real ones.

use bytes::Bytes;
use domain::billing::account::{
    CreditAlert, CreditEvent, CreditsExhausted, CreditsLow, Posted, Source, SourceKind, TransactionKind,
};
use domain::billing::{Currency, Entry, LedgerAccount, Side};
use domain::call::report::LegRef;
use domain::call::terms::{Direction, EndReason, EndedBy, Fault, RecordingFormat};
use domain::call::{Answered, CallEvent, Ended, Received, RecordingAvailable, Ringing};
use domain::envelope::{Position, Recorded, StreamId, Time, Version};
use domain::ids::{
    AgentId, ApiKeyId, CallId, ClientId, ConversationId, CreditAccountId, DocumentId, IvrSessionId, MemoryId,
    MenuId, SpendGuardId, TransactionId, event_type_id,
};
use domain::ivr::session::{
    EndCause, MenuEntered, Outcome, SessionEnded, SessionEvent, SessionStarted, SessionStatus, Via,
};
use domain::phone::Party;
use domain::spend::{Breach, LimitKind, LimitReached, SpendGuardEvent, SpendScope};
use domain::wire::DomainEvent;
use serde_json::{Value, json};
use uuid::Uuid;

use super::public::{EventEnvelope, body};
use super::published::Published;
use super::{example_documents, example_talks};
use crate::agents::Agents;
use crate::calls::Calls;
use crate::conversations::Conversations;
use crate::ivr_sessions::IvrSessions;
use crate::knowledge::KnowledgeDocuments;
use crate::memories::Memories;
use crate::view::replay;

pub(super) const BASE: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;
const CLIENT: ClientId = ClientId(Uuid::from_u128(BASE + 1));
const EVENT: Uuid = Uuid::from_u128(BASE + 2);
const CALL: CallId = CallId(Uuid::from_u128(BASE + 3));
const SESSION: IvrSessionId = IvrSessionId(Uuid::from_u128(BASE + 4));
const MENU: MenuId = MenuId(Uuid::from_u128(BASE + 5));
const AGENT: AgentId = AgentId(Uuid::from_u128(BASE + 6));
const DOCUMENT: DocumentId = DocumentId(Uuid::from_u128(BASE + 8));
const MEMORY: MemoryId = MemoryId(Uuid::from_u128(BASE + 9));
const TALK: ConversationId = ConversationId(Uuid::from_u128(BASE + 7));

/// The example body of a public event type.
#[must_use]
pub fn example(name: &str) -> Value {
    let body = match name.split_once('.') {
        Some(("call", _)) => told::<Calls>(name, &recorded(&CALL.stream(), &call(name))),
        Some(("ivr", _)) => told::<IvrSessions>(name, &recorded(&SESSION.stream(), &session())),
        Some(("agent", _)) => told::<Agents>(name, &recorded(&AGENT.stream(), &example_talks::agent(name))),
        Some(("kb", _)) => told::<KnowledgeDocuments>(
            name,
            &recorded(&DOCUMENT.stream(), &example_documents::document(name)),
        ),
        Some(("customer", _)) => {
            told::<Memories>(name, &recorded(&MEMORY.stream(), &[example_documents::memory()]))
        }
        Some(("credits", _)) => {
            let facts = recorded(&CreditAccountId::of(CLIENT).stream(), &[credits(name)]);
            let envelope = EventEnvelope { event: EVENT, client: CLIENT, at: at(40) };
            facts.last().and_then(|fact| super::credits::body(fact, envelope))
        }
        Some(("spend", _)) => {
            let facts = recorded(&SpendGuardId::of(CLIENT).stream(), &[limit_reached()]);
            let envelope = EventEnvelope { event: EVENT, client: CLIENT, at: at(40) };
            facts.last().and_then(|fact| super::credits::body(fact, envelope))
        }
        Some(("conversation" | "function" | "error", _)) => {
            told::<Conversations>(name, &recorded(&TALK.stream(), &example_talks::conversation(name)))
        }
        _ => None,
    };
    match body {
        Some(body) => serde_json::from_slice(&body).unwrap_or_default(),
        None => json!({
            "id": event_type_id(EVENT), "type": name, "timestamp": crate::edge::format_time(at(40)),
            "client_id": CLIENT.to_string(), "sequence": 1,
            "subject": {"type": name.split('.').next().unwrap_or_default(), "id": ""}, "data": {},
        }),
    }
}

fn told<V: Published>(name: &str, facts: &[Recorded]) -> Option<Bytes> {
    let row = replay::<V>(facts).ok()??;
    let content = V::body(facts.last()?, &row).ok()?;
    body::<V>(name, EventEnvelope { event: EVENT, client: CLIENT, at: at(40) }, &row, content).ok()?
}

fn limit_reached() -> SpendGuardEvent {
    let (scope, limit) = (SpendScope::Agent(AGENT), LimitKind::DailySpend);
    let breach = Breach { scope, limit, allowed: 50_000_000, found: 49_990_000 };
    let key = Some(ApiKeyId(Uuid::from_u128(BASE + 10)));
    LimitReached { breach, key, agent: Some(AGENT), at: at(40) }.into()
}

/// The event of a ledger that leads to the public event.
fn credits(name: &str) -> CreditEvent {
    let alert = |credit, limit| CreditAlert { credit, limit, currency: Currency::USD, at: at(40) };
    let amount = 50_000_000;
    match name {
        "credits.low" => CreditsLow(alert(9_750_000, 10_000_000)).into(),
        "credits.exhausted" => CreditsExhausted(alert(-12_000, 0)).into(),
        _ => Posted {
            id: TransactionId(Uuid::from_u128(BASE + 8)),
            kind: TransactionKind::Purchase,
            source: Source { kind: SourceKind::Checkout, id: Uuid::from_u128(BASE + 9) },
            corrects: None,
            seen: None,
            currency: Currency::USD,
            entries: vec![
                Entry { account: LedgerAccount::Payments, side: Side::Debit, micros: amount },
                Entry { account: LedgerAccount::Available, side: Side::Credit, micros: amount },
            ],
            available_after: amount + 1_200_000,
            held_after: 0,
            opens: false,
            items: Vec::new(),
            agent: None,
            reason: None,
            at: at(40),
        }
        .into(),
    }
}

/// The events of an IVR session, to its end.
fn session() -> Vec<SessionEvent> {
    let started = SessionStarted {
        session: SESSION,
        menu: MENU,
        call: Some(CALL),
        external_id: None,
        cause: EVENT,
        at: at(4),
    };
    let entered = MenuEntered {
        menu: MENU,
        version: 1,
        via: Via::Start,
        stack: vec![MENU],
        open: true,
        zone_data: None,
        at: at(4),
    };
    let ended = SessionEnded {
        status: SessionStatus::Completed,
        cause: EndCause::Menu,
        outcome: Some(Outcome { action: "say".into(), target: Some("12 Mill Lane.".to_owned().into()) }),
        menu: Some(MENU),
        farewell: Some("12 Mill Lane.".into()),
        order: None,
        end_reason: Some(EndReason::IvrCompleted),
        told_by: None,
        at: at(40),
    };
    vec![started.into(), entered.into(), ended.into()]
}

pub(super) fn at(seconds: i64) -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000 + seconds * 1_000_000).unwrap_or_default()
}

/// The events of an inbound call up to the public event `name`.
fn call(name: &str) -> Vec<CallEvent> {
    let party = |number: &str| Some(Party::new(number).into());
    let leg = LegRef {
        control_id: Some("v3:example".into()),
        leg_id: "0c9f1c52-f1f6-11f0-9a11-02420a0f0001".into(),
        session_id: None,
        connection_id: None,
    };
    let received = Received {
        foreign: false,
        provider: "telnyx".into(),
        leg,
        direction: Direction::Inbound,
        from: party("+12025550123"),
        to: party("+12025550188"),
        number_id: None,
        route: None,
        ring_until: at(60),
        at: at(0),
    };
    let answered = Answered { at: at(4), ends_by: at(3_604) };
    let ended = |reason, fault| Ended {
        reason,
        ended_by: EndedBy::Caller,
        fault,
        connected: false,
        provider_code: Some("normal_clearing".into()),
        sip_code: None,
        at: at(40),
    };
    let mut life: Vec<CallEvent> = vec![received.into()];
    match name {
        "call.ringing" => life.push(Ringing { at: at(1) }.into()),
        "call.answered" => life.push(answered.into()),
        "call.recording_ready" => {
            life.push(answered.into());
            life.push(
                RecordingAvailable {
                    recording_id: Some("1".into()),
                    url: Some("https://recordings.example.com/1.mp3".to_owned().into()),
                    url_expires_at: None,
                    format: Some(RecordingFormat::Mp3),
                    duration_ms: Some(36_000),
                    channels: Some(2),
                    at: at(40),
                }
                .into(),
            );
        }
        "call.ended" => {
            life.push(answered.into());
            life.push(ended(EndReason::CallerHangup, Fault::None).into());
        }
        "call.failed" => life.push(ended(EndReason::NoAnswer, Fault::None).into()),
        _ => {}
    }
    life
}

fn recorded<E: DomainEvent>(stream: &StreamId, events: &[E]) -> Vec<Recorded> {
    let recorded = |(n, event): (u64, &E)| Recorded {
        position: Position(n),
        stream: stream.clone(),
        version: Version(n),
        id: Uuid::nil(),
        event_type: event.event_type().to_owned(),
        schema: event.schema(),
        client_id: CLIENT,
        payload: event.encode().into(),
        metadata: Vec::new().into(),
        recorded_at: at(0),
    };
    (1..).zip(events).map(recorded).collect()
}
