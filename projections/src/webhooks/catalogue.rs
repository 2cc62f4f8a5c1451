//! The catalogue of public events: each with the schema of what is sent and an example, both made from the types.

use bytes::Bytes;
use domain::agent::{AgentCreated, AgentDeployed, AgentEvent, AgentTerms, AgentUpdated};
use domain::call::report::LegRef;
use domain::call::terms::{Direction, EndReason, EndedBy, Fault, RecordingFormat};
use domain::call::{Answered, CallEvent, Ended, Received, RecordingAvailable, Ringing};
use domain::conversation::{
    AgentRef, Channel, ConversationEnded, ConversationEvent, ConversationStarted, EndedFor, Finish,
    FunctionExecuted, MessageAdded, MessageKind, MessageRole, PassedOver, ToolOutcome, TurnCompleted,
    TurnFailed, TurnFault,
};
use domain::envelope::{Position, Recorded, StreamId, Time, Version};
use domain::ids::{AgentId, CallId, ClientId, ConversationId, MessageId, ToolId};
use domain::model::{ModelRef, Provider, Usage};
use domain::origin::Origin;
use domain::phone::Party;
use domain::webhook::public::{PUBLIC_TYPES, PublicType};
use domain::wire::DomainEvent;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::occurrences::{ErrorView, FunctionView};
use super::public::{PublicBody, body_of, subject};
use crate::agents::{AgentView, Agents};
use crate::calls::{CallView, Calls};
use crate::conversations::{ConversationView, Conversations};
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
    let root = match kind.name {
        name if name.starts_with("call.") => schema_of::<CallView>(&mut definitions),
        "conversation.updated" | "conversation.ended" => schema_of::<ConversationView>(&mut definitions),
        "agent.updated" | "agent.deployed" => schema_of::<AgentView>(&mut definitions),
        "function.executed" => schema_of::<FunctionView>(&mut definitions),
        "error.occurred" => schema_of::<ErrorView>(&mut definitions),
        _ => schema_of::<Anything>(&mut definitions),
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

fn schema_of<T: ToSchema + serde::Serialize>(
    definitions: &mut Vec<(String, RefOr<Schema>)>,
) -> RefOr<Schema> {
    PublicBody::<T>::schemas(definitions);
    definitions.push((T::name().into_owned(), T::schema()));
    PublicBody::<T>::schema()
}

/// The resource of an event that a later version sends.
#[derive(Serialize)]
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
    let of = (client, at(40));
    let body = match name {
        name if name.starts_with("call.") => example_call(name, event, of),
        name if name.starts_with("agent.") => example_agent(name, event, of),
        _ => example_conversation(name, event, of),
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

fn example_call(name: &str, event: Uuid, (client, at): (ClientId, Time)) -> Option<Bytes> {
    let facts = recorded(client, call_stream(), &life(name));
    let row = replay::<Calls>(&facts).ok()??;
    let about = subject(CallId::CATEGORY, row.view.id);
    body_of(name, event, (client, at, row.view.version), about, &row.view).ok()
}

fn example_agent(name: &str, event: Uuid, (client, now): (ClientId, Time)) -> Option<Bytes> {
    let terms = |name: &str| AgentTerms {
        name: name.to_owned(),
        system_prompt: "You answer the phone for a clinic.".to_owned(),
        model: ModelRef::new(Provider::Groq, "openai/gpt-oss-120b"),
        temperature_permille: Some(400),
        max_tokens: Some(300),
        tools: vec![],
        greeting: Some("Hello, this is the clinic.".to_owned()),
        voice_id: None,
        fallback: vec![],
    };
    let (origin, stream) = (Origin::default(), AgentId(example_id(4)).stream());
    let second: AgentEvent = if name == "agent.updated" {
        let (before, after) = (terms("Reception"), terms("Front desk"));
        AgentUpdated { before, after, origin: origin.clone(), at: at(30) }.into()
    } else {
        AgentDeployed { version: Version(1), terms: terms("Reception"), origin: origin.clone(), at: at(30) }
            .into()
    };
    let facts = [AgentCreated { terms: terms("Reception"), origin, at: at(0) }.into(), second];
    let row = replay::<Agents>(&recorded(client, stream, &facts)).ok()??;
    let about = subject(AgentId::CATEGORY, row.view.id);
    body_of(name, event, (client, now, row.view.version), about, &row.view).ok()
}

fn example_conversation(name: &str, event: Uuid, (client, now): (ClientId, Time)) -> Option<Bytes> {
    let (message, text) = (|n| MessageId(example_id(n)), |text: &str| text.to_owned().into());
    let model = || ModelRef::new(Provider::Groq, "openai/gpt-oss-120b");
    let agent = AgentRef { id: AgentId(example_id(4)), version: Version(1) };
    let started = ConversationStarted {
        agent: Some(agent),
        channel: Channel::Api,
        call: None,
        user: None,
        metadata: None,
        at: at(0),
    };
    let (role, kind, content) = (MessageRole::User, MessageKind::Text, text("When is my booking?"));
    let asked = MessageAdded { id: message(6), seq: 1, role, kind, content, line: None, at: at(1) };
    let executed = FunctionExecuted {
        turn: message(6),
        id: message(8),
        seq: 3,
        call_id: "call_1".to_owned(),
        tool: Some(ToolId(example_id(9))),
        name: "find_booking".to_owned(),
        outcome: ToolOutcome::Succeeded,
        status: Some(200),
        content: text("{\"when\":\"tomorrow at ten\"}"),
        latency_ms: 85,
        at: at(2),
    };
    let completed = TurnCompleted {
        turn: message(6),
        id: message(7),
        seq: 4,
        content: text("Tomorrow at ten."),
        by: model(),
        usage: Usage { input: 90, output: 8 },
        latency_ms: 900,
        first_token_ms: Some(640),
        finish: Finish::Stop,
        passed_over: vec![],
        call: None,
        at: at(2),
    };
    let failed = TurnFailed {
        turn: message(6),
        fault: TurnFault::TimedOut,
        passed_over: vec![PassedOver { model: model(), fault: TurnFault::TimedOut }],
        at: at(12),
    };
    let stream = ConversationId(example_id(5)).stream();
    let mut facts: Vec<ConversationEvent> = vec![started.into(), asked.into(), completed.into()];
    if name == "conversation.ended" {
        facts.push(ConversationEnded { reason: EndedFor::Asked, at: at(40) }.into());
    }
    let row = replay::<Conversations>(&recorded(client, stream, &facts)).ok()??;
    let view = &row.view;
    let about = subject(ConversationId::CATEGORY, view.id);
    let of = (client, now, view.version);
    match name {
        "conversation.updated" | "conversation.ended" => body_of(name, event, of, about, view).ok(),
        "function.executed" => {
            let data = FunctionView::of(view.id, view.agent_id, executed);
            body_of(name, event, of, about, &data).ok()
        }
        "error.occurred" => {
            let data = ErrorView::of(view.id, view.agent_id, &failed);
            body_of(name, event, of, about, &data).ok()
        }
        _ => None,
    }
}

fn example_id(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | n)
}

fn call_stream() -> StreamId {
    CallId(example_id(3)).stream()
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

fn recorded<E: DomainEvent>(client: ClientId, stream: StreamId, events: &[E]) -> Vec<Recorded> {
    let recorded = |(n, event): (u64, &E)| Recorded {
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
