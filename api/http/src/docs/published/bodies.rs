//! Finishes every schema: objects say whether they allow further fields, maps do not repeat that names are text,
//! times and ids state their format.

use serde_json::{Value, json};

use super::node::{change, reference};

/// JSON pointer to the one binary download.
const BUNDLE: &str =
    "/paths/~1api~1v1~1audit~1exports~1{id}~1download/get/responses/200/content/application~1zstd/schema";

/// Describes the JSON that stream events carry as text.
fn streams(schemas: &mut Value) {
    schemas["StreamedEvent"]["properties"]["data"]["contentSchema"] = reference("StreamedEventData");
    schemas["StreamedEventData"] = json!({
        "description": "The event; for `reset` the `version` after which events follow, for `done` an empty object.",
        "anyOf": [
            reference("HistoryEvent"),
            {"type": "object", "additionalProperties": false,
                "properties": {"version": {"type": "integer", "format": "int64", "minimum": 0}}},
        ],
    });
    schemas["StreamedCall"]["properties"]["data"]["contentSchema"] = reference("StreamedCallData");
    let position = json!({"type": "integer", "format": "int64", "minimum": 0});
    let events =
        json!({"type": "array", "items": {"type": "string"}, "description": "Types of events, in order."});
    schemas["StreamedCallData"] = json!({
        "description": "For `ready` and `reset`, the position after which the stream reports changes; for `call`, the new events and the call after them.",
        "anyOf": [
            {"type": "object", "required": ["position"], "properties": {"position": position}},
            {"type": "object", "required": ["events", "call"], "properties": {"events": events, "call": reference("Call")}},
        ],
    });
}

/// Applies these rules to all schemas.
pub(super) fn settle(document: &mut Value) {
    streams(&mut document["components"]["schemas"]);
    let download = document.pointer_mut(BUNDLE);
    if let Some(schema) = download {
        *schema = json!({"type": "string", "format": "binary"});
    }
    change(&mut document["components"]["schemas"], &mut |schema| {
        let Some(fields) = schema.as_object_mut() else { return };
        // JSON has only text names
        if fields.get("propertyNames") == Some(&json!({"type": "string"})) {
            fields.remove("propertyNames");
        }
        let is_object = match fields.get("type") {
            Some(Value::String(kind)) => kind == "object",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            _ => false,
        };
        if is_object && !fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
            fields.insert("additionalProperties".to_owned(), Value::Bool(true));
        }
    });
}
