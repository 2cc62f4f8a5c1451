//! The catalogue of public events: each with the schema of what is sent and an example, both made from the types.

use domain::call::report::LegRef;
use domain::call::terms::{Direction, EndReason, EndedBy, Fault, RecordingFormat};
use domain::call::{Answered, CallEvent, Ended, Received, RecordingAvailable, Ringing};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{CallId, ClientId};
use domain::phone::Party;
use domain::webhook::public::{PUBLIC_TYPES, PublicType};
use domain::wire::DomainEvent;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::public::{PublicBody, call_body};
use crate::calls::{CallView, Calls};
use crate::view::replay;

/// A kind of public event.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WebhookEventType)]
pub struct EventType {
    /// Its name.
    #[schema(example = "call.ended")]
    pub name: &'static str,
    /// When it is sent.
    pub description: &'static str,
    /// Whether this version sends it. Endpoints may ask for the others already.
    pub available: bool,
    /// JSON Schema (2020-12) of what is sent.
    #[schema(value_type = Object)]
    pub schema: Value,
    /// What is sent.
    #[schema(value_type = Object)]
    pub example: Value,
}

/// Every kind there is.
#[must_use]
pub fn event_types() -> Vec<EventType> {
    let one = |kind: &PublicType| EventType {
        name: kind.name,
        description: kind.description,
        available: kind.available,
        schema: schema(kind),
        example: example(kind.name),
    };
    PUBLIC_TYPES.iter().map(one).collect()
}

fn schema(kind: &PublicType) -> Value {
    let mut definitions: Vec<(String, RefOr<Schema>)> = Vec::new();
    let root = if kind.name.starts_with("call.") {
        PublicBody::<CallView>::schemas(&mut definitions);
        definitions.push((CallView::name().into_owned(), CallView::schema()));
        PublicBody::<CallView>::schema()
    } else {
        PublicBody::<Anything>::schemas(&mut definitions);
        definitions.push((Anything::name().into_owned(), Anything::schema()));
        PublicBody::<Anything>::schema()
    };
    let mut root = serde_json::to_value(root).unwrap_or_default();
    let definitions: Map<String, Value> = definitions
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect();
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("$id".into(), json!(format!("urn:voxledger:event:{}", kind.name)));
        root.insert("title".into(), json!(kind.name));
        root["properties"]["type"] = json!({"const": kind.name});
        root.insert("$defs".into(), Value::Object(definitions));
    }
    local_references(&mut root);
    root
}

/// The resource of an event that a later version sends.
struct Anything;

impl PartialSchema for Anything {
    fn schema() -> RefOr<Schema> {
        utoipa::openapi::ObjectBuilder::new().into()
    }
}

impl ToSchema for Anything {}

/// A schema of its own has its definitions in itself, not in an OpenAPI document.
fn local_references(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match value {
                    Value::String(text) if name == "$ref" => {
                        *text = text.replace("#/components/schemas/", "#/$defs/");
                    }
                    value => local_references(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(local_references),
        _ => {}
    }
}

/// An example of what is sent, made the way it is made in earnest.
#[must_use]
pub fn example(name: &str) -> Value {
    let client = ClientId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    let event = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002);
    let facts = recorded(client, &life(name));
    let body = match replay::<Calls>(&facts) {
        Ok(Some(row)) if name.starts_with("call.") => call_body(name, event, client, at(40), &row).ok(),
        _ => None,
    };
    match body {
        Some(body) => serde_json::from_slice(&body).unwrap_or_default(),
        None => json!({
            "id": domain::ids::event_type_id(event), "type": name, "timestamp": crate::edge::format_time(at(40)),
            "client_id": client.to_string(), "sequence": 1,
            "subject": {"type": name.split('.').next().unwrap_or_default(), "id": ""}, "data": {},
        }),
    }
}

fn at(seconds: i64) -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000 + seconds * 1_000_000).unwrap_or_default()
}

/// An inbound call's life up to an event of that name.
fn life(name: &str) -> Vec<CallEvent> {
    let party = |number: &str| Some(Party::new(number).into());
    let leg = LegRef {
        control_id: Some("v3:example".into()),
        leg_id: "0c9f1c52-f1f6-11f0-9a11-02420a0f0001".into(),
        session_id: None,
        connection_id: None,
    };
    let received = Received {
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

fn recorded(client: ClientId, events: &[CallEvent]) -> Vec<Recorded> {
    let stream = CallId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0003)).stream();
    let recorded = |(n, event): (u64, &CallEvent)| Recorded {
        position: Position(n),
        stream: stream.clone(),
        version: Version(n),
        id: Uuid::nil(),
        event_type: event.event_type().to_owned(),
        schema: event.schema(),
        client_id: client,
        payload: event.encode(),
        metadata: Vec::new(),
        recorded_at: at(0),
    };
    (1..).zip(events).map(recorded).collect()
}
