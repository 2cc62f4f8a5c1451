//! Complete event histories of calls, for tests and benchmarks of log readers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::call::report::{LegRef, LegRole};
use domain::call::terms::{CommandKind, Direction, EndReason, EndedBy, Fault, Speaker};
use domain::call::{
    Answered, CallEvent, CarrierEventReceived, CommandAccepted, CostRecorded, DialAccepted, DialStarted,
    Disposition, DtmfReceived, Ended, LineTranscribed, Queued, Received, Ringing, SpeechRequested,
};
use domain::envelope::{Metadata, NewEvent, Time};
use domain::ids::{CallId, ClientId};
use domain::money::Money;
use domain::phone::Party;
use domain::ports::event_store::{EventStore, Expected};
use domain::testing::ids::sequential;
use domain::wire::DomainEvent;
use serde_bytes::ByteBuf;

/// The most appends in flight at once.
const MAX_BATCH: usize = 128;

/// The time of the first event: 2026-01-01T00:00:00Z.
#[must_use]
pub fn start() -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000).unwrap_or_default()
}

/// Id of the `n`th call.
#[must_use]
pub fn call(n: u64) -> CallId {
    CallId(sequential(n * 1_000))
}

/// Id of the `n`th client.
#[must_use]
pub fn client(n: u64) -> ClientId {
    ClientId(sequential(n))
}

/// An event ready to append: the `step`th of the `n`th call.
#[must_use]
pub fn new_event(n: u64, step: u64, client: ClientId, event: &impl DomainEvent) -> NewEvent {
    let id = sequential(n * 1_000 + step + 1);
    NewEvent {
        id,
        event_type: event.event_type().to_owned(),
        schema: event.schema(),
        client_id: client,
        payload: event.encode(),
        metadata: Metadata::system("testing", id),
        recorded_at: start() + Duration::from_millis(n * 10 + step),
    }
}

/// The history of the `n`th call, 11 to 13 events. Every third call is inbound, every seventh is not answered.
#[must_use]
pub fn life(n: u64) -> Vec<CallEvent> {
    let begin = start() + Duration::from_millis(n * 10);
    let at = |seconds: u64| begin + Duration::from_secs(seconds);
    let id = |purpose: u64| sequential(n * 1_000 + 500 + purpose);
    let leg = LegRef {
        control_id: Some(format!("v3:control-{n}-MgjWHmtNQh0qSbTbO2YqyOF0h")),
        leg_id: format!("428c31b6-7af4-4bcb-b7f5-{n:012}"),
        session_id: Some(format!("428c31b6-abf3-3bc1-b7f4-{n:012}")),
        connection_id: Some("7267xxxxxxxxxxxxxx".to_owned()),
    };
    let receipt = |event_type: &str, seconds| {
        CallEvent::from(CarrierEventReceived {
            provider: "telnyx".to_owned(),
            event_id: format!("0ccc7b54-4df3-4bca-a65a-{:012}", n * 100 + seconds),
            event_type: event_type.to_owned(),
            occurred_at: at(seconds),
            disposition: Disposition::Applied,
            leg_role: LegRole::Main,
            raw: ByteBuf::from(raw(n, event_type)).into(),
        })
    };
    let party = |prefix: u64| Party::new(&number(prefix, n));
    let answered = !n.is_multiple_of(7);
    let mut life: Vec<CallEvent> = if n.is_multiple_of(3) {
        vec![
            receipt("call.initiated", 0),
            Received {
                foreign: false,
                provider: "telnyx".to_owned(),
                leg,
                direction: Direction::Inbound,
                from: Some(party(5).into()),
                to: Some(party(6).into()),
                number_id: None,
                route: None,
                at: at(0),
                ring_until: at(60),
            }
            .into(),
        ]
    } else {
        let metadata = [("order".to_owned(), serde_json::json!(n)), ("tier".to_owned(), "gold".into())];
        vec![
            Queued {
                command_id: id(0),
                to: party(5).into(),
                from: Some(party(6).into()),
                agent_id: None,
                menu_id: None,
                metadata: metadata.into_iter().collect::<domain::call::CallMetadata>().into(),
                customer_id: None,
                max_duration_ms: 600_000,
                ring_timeout_ms: 30_000,
                record: n.is_multiple_of(2),
                runtime: domain::agent::AgentRuntime::Carrier,
                at: at(0),
            }
            .into(),
            DialStarted { effect_id: id(0), at: at(0), ring_until: at(40) }.into(),
            DialAccepted { effect_id: id(0), provider: "telnyx".to_owned(), leg, at: at(1) }.into(),
            Ringing { at: at(2) }.into(),
        ]
    };
    if answered {
        life.extend([
            receipt("call.answered", 5),
            Answered { at: at(5), ends_by: at(605) }.into(),
            SpeechRequested {
                effect_id: id(1),
                seq: 1,
                text: "Hello, thank you for calling.".to_owned().into(),
                at: at(5),
            }
            .into(),
            CommandAccepted { effect_id: id(1), command: CommandKind::Speak, attempts: 1, at: at(6) }.into(),
            DtmfReceived { seq: 2, place: None, digit: '1'.into(), gather: None, repeated: false, at: at(9) }
                .into(),
            LineTranscribed {
                seq: 3,
                place: None,
                speaker: Speaker::Caller,
                text: "I would like to move my appointment.".to_owned().into(),
                confidence_permille: Some(870),
                at: at(12),
            }
            .into(),
        ]);
    }
    life.extend([
        receipt("call.hangup", 30),
        Ended {
            reason: if answered { EndReason::CallerHangup } else { EndReason::NoAnswer },
            ended_by: if answered { EndedBy::Caller } else { EndedBy::System },
            fault: Fault::None,
            connected: answered,
            provider_code: Some("normal_clearing".to_owned()),
            sip_code: Some(200),
            at: at(30),
        }
        .into(),
        CostRecorded {
            cost: Money { amount_micros: 14_400, currency: "USD".to_owned() },
            leg_id: format!("428c31b6-7af4-4bcb-b7f5-{n:012}"),
            at: at(31),
        }
        .into(),
    ]);
    life
}

const OWN: u64 = 6;

/// A phone number: the person's begins with 5, the client's own one with 6.
fn number(prefix: u64, n: u64) -> String {
    // every person calls only once; a client has twenty numbers
    let n = if prefix == OWN { n % 20 } else { n % 1_000_000 };
    format!("+1202{:07}", prefix * 1_000_000 + n)
}

/// A webhook's body of realistic size.
fn raw(n: u64, event_type: &str) -> Vec<u8> {
    let payload = serde_json::json!({
        "call_control_id": format!("v3:control-{n}-MgjWHmtNQh0qSbTbO2YqyOF0h"),
        "call_leg_id": format!("428c31b6-7af4-4bcb-b7f5-{n:012}"),
        "call_session_id": format!("428c31b6-abf3-3bc1-b7f4-{n:012}"),
        "client_state": "dm94bGVkZ2VyOmNsaV8wMWpkMHhxOHY0ZTV2c2tuazA4NHNuMDJxNw==",
        "connection_id": "7267xxxxxxxxxxxxxx",
        "direction": "outgoing",
        "from": number(if n.is_multiple_of(3) { 5 } else { 6 }, n),
        "to": number(if n.is_multiple_of(3) { 6 } else { 5 }, n),
        "start_time": "2026-01-01T00:00:00.000000Z",
    });
    serde_json::json!({
        "data": {
            "event_type": event_type,
            "id": format!("0ccc7b54-4df3-4bca-a65a-{n:012}"),
            "occurred_at": "2026-01-01T00:00:00.000000Z",
            "record_type": "event",
            "payload": payload,
        },
        "meta": { "attempt": 1, "delivered_to": "https://voxledger.example.test/api/v1/webhooks/telnyx" },
    })
    .to_string()
    .into_bytes()
}

/// Appends the histories of calls `from..to`, with `live` calls interleaved event by event; call `n` belongs to
/// client `n % clients + 1`. Answers the number of events. Fails when an append fails.
pub async fn append_lives(
    log: &Arc<dyn EventStore>,
    calls: std::ops::Range<u64>,
    live: usize,
    clients: u64,
) -> Result<u64, domain::ports::event_store::AppendError> {
    let mut waiting = calls;
    let mut alive: VecDeque<(u64, u64, VecDeque<CallEvent>)> = VecDeque::new();
    let mut events = 0;
    loop {
        while alive.len() < live
            && let Some(n) = waiting.next()
        {
            alive.push_back((n, 0, life(n).into()));
        }
        // each call at most once in a round, because concurrent appends have no order
        let mut batch = Vec::new();
        for _ in 0..alive.len().min(MAX_BATCH) {
            let Some((n, mut step, mut rest)) = alive.pop_front() else { break };
            // a webhook's receipt and the events that follow from it come in one append
            let mut together = Vec::new();
            while let Some(event) = rest.pop_front() {
                let receipt = matches!(event, CallEvent::CarrierEventReceived(_));
                together.push(new_event(n, step, client(n % clients + 1), &event));
                step += 1;
                if !receipt {
                    break;
                }
            }
            events += together.len() as u64;
            batch.push(append(log.clone(), n, together));
            if !rest.is_empty() {
                alive.push_back((n, step, rest));
            }
        }
        if batch.is_empty() {
            return Ok(events);
        }
        futures::future::try_join_all(batch).await?;
    }
}

async fn append(
    log: Arc<dyn EventStore>,
    n: u64,
    events: Vec<NewEvent>,
) -> Result<(), domain::ports::event_store::AppendError> {
    log.append(&call(n).stream(), Expected::Any, events).await.map(drop)
}
