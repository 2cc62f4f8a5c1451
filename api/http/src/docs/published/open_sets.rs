//! Words in answers whose sets grow within this version of the API.
//!
//! Such a field names its words, which programs can complete and check, and takes any other text as well: a client
//! generated from an older document must still read the answer. Requests take only the words that this version knows.

use serde_json::{Value, json};

/// Fields of answers that hold a word of a growing set, or a list of them, each with an example.
const FIELDS: [(&str, &str, &str); 5] = [
    ("Problem", "code", "invalid_request"),
    ("WebhookEndpoint", "events", "call.*"),
    ("WebhookAttempt", "event", "call.ended"),
    ("WebhookDelivery", "event", "call.ended"),
    ("WebhookEventType", "name", "call.ended"),
];
/// Told with each of the sets.
const MORE: &str = "Later versions may add values: accept one that you do not know.";

/// Lets the fields take words that later versions add.
pub(super) fn declare(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    for (schema, field, example) in FIELDS {
        let field = &mut schemas[schema]["properties"][field];
        let word = if field["items"].is_object() { &mut field["items"] } else { field };
        let Some(set) = word.as_object_mut().and_then(|word| word.remove("$ref")) else { continue };
        word["anyOf"] = json!([{"$ref": set}, {"type": "string"}]);
        word["example"] = json!(example);
        let name = set.as_str().and_then(|target| target.rsplit('/').next()).unwrap_or_default();
        let told = schemas[name]["description"].as_str().unwrap_or_default();
        if !told.ends_with(MORE) {
            schemas[name]["description"] = json!(format!("{told} {MORE}"));
        }
    }
}
