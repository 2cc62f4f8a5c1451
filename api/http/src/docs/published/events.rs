//! Documents the public events: each as a webhook, and all as one schema for clients that pull.

use projections::webhooks::{EventSchema, event_schemas};
use serde_json::{Map, Value, json};

use super::node::reference;

/// Headers of a delivery, with their descriptions.
const HEADERS: [(&str, &str); 3] = [
    ("webhook-id", "Id of the event, the same on every attempt: use it to ignore repeated deliveries"),
    (
        "webhook-timestamp",
        "When it was signed, in Unix seconds: refuse it if that is more than 5 minutes off your clock",
    ),
    (
        "webhook-signature",
        "`v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}` with the endpoint's secret \
         (Standard Webhooks); while a secret is being rotated, several with spaces between",
    ),
];

/// Adds the section `webhooks`, a schema for the body of each event, and a schema for any event.
pub(super) fn describe(document: &mut Value) {
    let mut webhooks = Map::new();
    let (mut any, mut mapping) = (Vec::new(), Map::new());
    for event in event_schemas() {
        let name = format!("{}Event", camel(event.name));
        any.push(reference(&name));
        mapping.insert(event.name.to_owned(), json!(format!("#/components/schemas/{name}")));
        webhooks.insert(event.name.to_owned(), json!({"post": operation(&event, &name)}));
        let schemas = &mut document["components"]["schemas"];
        for (name, schema) in event.definitions {
            if schemas[&name].is_null() {
                schemas[name] = schema;
            }
        }
        schemas[name] = event.body;
    }
    document["components"]["schemas"]["PublicEvent"] = json!({
        "description": "A public event, as endpoints receive it and as it can be pulled.",
        "oneOf": any,
        "discriminator": {"propertyName": "type", "mapping": mapping},
    });
    document["webhooks"] = Value::Object(webhooks);
}

fn operation(event: &EventSchema, schema: &str) -> Value {
    let header = |(name, description): (&str, &str)| json!({"name": name, "in": "header", "required": true, "description": description, "schema": {"type": "string"}});
    let note = if event.available { "" } else { " This version does not send it yet." };
    json!({
        "operationId": format!("on{}", camel(event.name)),
        "tags": ["webhooks"],
        "summary": event.description,
        "description": format!("Sent to every endpoint that subscribes to `{}`.{note} Answer within 15 seconds.", event.name),
        "security": [],
        "parameters": HEADERS.map(header),
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference(schema)}}},
        "responses": {
            "2XX": {"description": "Taken; the node ignores the body"},
            "410": {"description": "The endpoint is gone for good: the node disables it"},
            "4XX": {"description": "Not taken: the node tries again, 10 times in about 31 hours"},
            "5XX": {"description": "Not taken: the node tries again and honours `Retry-After`"},
        },
    })
}

/// Spells `call.recording_ready` as `CallRecordingReady`.
fn camel(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split(['.', '_']).filter(|part| !part.is_empty()).map(word).collect()
}
