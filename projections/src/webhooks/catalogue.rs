//! The catalogue of public events: the schema of each body and an example, both made from the types.

use domain::webhook::public::{PUBLIC_TYPES, PublicType};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::credits::{CreditNotice, SpendNotice};
use super::errors::ErrorView;
use super::examples;
use super::occurrences::FunctionView;
use super::public::PublicBody;
use crate::agents::AgentView;
use crate::calls::CallView;
use crate::conversations::ConversationView;
use crate::ivr_sessions::SessionView;
use crate::knowledge::KnowledgeDocumentView;

/// A type of public event that webhooks deliver.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WebhookEventType)]
pub struct EventType {
    /// Name of the event type.
    #[schema(value_type = crate::words::PublicEventType)]
    pub name: &'static str,
    /// When the event is sent.
    pub description: &'static str,
    /// Whether this version sends the event; endpoints may already subscribe to others.
    pub available: bool,
    /// JSON Schema (2020-12) of the body.
    #[schema(value_type = Object)]
    pub schema: Value,
    /// An example of the body.
    #[schema(value_type = Object)]
    pub example: Value,
}

/// Every type of public event.
#[must_use]
pub fn event_types() -> Vec<EventType> {
    let one = |kind: &PublicType| EventType {
        name: kind.name,
        description: kind.description,
        available: kind.available,
        schema: schema(kind),
        example: examples::example(kind.name),
    };
    PUBLIC_TYPES.iter().map(one).collect()
}

/// The schema of an event's body, as part of a larger document.
#[derive(Debug)]
pub struct EventSchema {
    /// Name of the event type.
    pub name: &'static str,
    pub description: &'static str,
    /// Whether this version sends the event.
    pub available: bool,
    /// Schema of the body; it refers to the definitions as `#/components/schemas/…`.
    pub body: Value,
    /// The schemas that the body refers to, by name.
    pub definitions: Map<String, Value>,
}

/// The schemas of all event types.
#[must_use]
pub fn event_schemas() -> Vec<EventSchema> {
    PUBLIC_TYPES.iter().map(event_schema).collect()
}

fn event_schema(kind: &PublicType) -> EventSchema {
    match kind.name.split_once('.') {
        Some(("call", _)) => schema_of::<CallView>(kind),
        Some(("ivr", _)) => schema_of::<SessionView>(kind),
        Some(("conversation", _)) => schema_of::<ConversationView>(kind),
        Some(("agent", _)) => schema_of::<AgentView>(kind),
        Some(("kb", _)) => schema_of::<KnowledgeDocumentView>(kind),
        Some(("function", _)) => schema_of::<FunctionView>(kind),
        Some(("error", _)) => schema_of::<ErrorView>(kind),
        Some(("credits", _)) => schema_of::<CreditNotice>(kind),
        Some(("spend", _)) => schema_of::<SpendNotice>(kind),
        _ => schema_of::<Anything>(kind),
    }
}

fn schema_of<R: ToSchema + 'static>(kind: &PublicType) -> EventSchema {
    let mut definitions: Vec<(String, RefOr<Schema>)> = Vec::new();
    PublicBody::<R>::schemas(&mut definitions);
    definitions.push((R::name().into_owned(), R::schema()));
    let definitions = definitions
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect();
    let mut body = serde_json::to_value(PublicBody::<R>::schema()).unwrap_or_default();
    body["description"] = json!(kind.description);
    body["properties"]["type"] =
        json!({"type": "string", "const": kind.name, "description": "What happened."});
    body["properties"]["data"] = json!({"$ref": format!("#/components/schemas/{}", R::name())});
    let PublicType { name, description, available } = *kind;
    EventSchema { name, description, available, body, definitions }
}

fn schema(kind: &PublicType) -> Value {
    let EventSchema { body: mut root, definitions, .. } = event_schema(kind);
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("$id".into(), json!(format!("urn:voxledger:event:{}", kind.name)));
        root.insert("title".into(), json!(kind.name));
        root.insert("$defs".into(), Value::Object(definitions));
    }
    local_references(&mut root);
    root
}

/// The resource of an event that a later version sends.
struct Anything;

impl PartialSchema for Anything {
    fn schema() -> RefOr<Schema> {
        utoipa::openapi::ObjectBuilder::new().description(Some("What it is about.")).into()
    }
}

impl ToSchema for Anything {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("AnySubject")
    }
}

/// Rewrites references for a schema that has its definitions in itself, not in an OpenAPI document.
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
