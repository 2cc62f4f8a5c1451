//! Formats events and resources as lines for people.

use std::fmt::{self, Write as _};

use domain::envelope::{Actor, Recorded, Time};
use domain::ids::{ApiKeyId, UserId};
use domain::wire::readable;
use projections::edge::format_time;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Fields left out of a line: technical ids, and times that the line shows already.
const UNTOLD: &[&str] =
    &["raw", "at", "occurred_at", "effect_id", "command_id", "leg", "key_hash", "event_id"];
/// The most characters shown of a field.
const LONGEST: usize = 120;

/// The heading above the lines.
pub(super) fn head(first: &Recorded, events: usize) -> String {
    let (stream, client, at) = (&first.stream, first.client_id, format_time(first.recorded_at));
    format!("{stream} of {client}, {events} events from {at}\n\n")
}

/// An event as a line: its number, time since the first event, type, actor, and key fields.
pub(super) fn line(event: &Recorded, first: Time) -> anyhow::Result<String> {
    let data = readable(&event.event_type, &event.payload)?;
    let after = (event.recorded_at - first).as_seconds_f64();
    let by = event.metadata().map_or_else(|_| "?".to_owned(), |metadata| actor(&metadata.actor));
    let mut line = format!("{:>4} {after:>+10.3} s  {:<28} {by:<18}", event.version.0, event.event_type);
    if let Value::Object(facts) = &data {
        for (name, value) in facts.iter().filter(|(name, _)| !UNTOLD.contains(&name.as_str())) {
            fact(name, value, &mut line);
        }
    }
    Ok(line.trim_end().to_owned())
}

fn actor(actor: &Actor) -> String {
    match actor {
        Actor::User(id) => UserId(*id).to_string(),
        Actor::ApiKey(id) => ApiKeyId(*id).to_string(),
        Actor::Carrier(name) | Actor::System(name) => name.clone(),
    }
}

fn fact(name: &str, value: &Value, line: &mut String) {
    let _ = match value {
        Value::Null => Ok(()),
        Value::Object(inner) => {
            inner.iter().for_each(|(part, value)| fact(&format!("{name}.{part}"), value, line));
            Ok(())
        }
        Value::String(text) => write!(line, " {name}={}", quoted(text)),
        other => write!(line, " {name}={}", shortened(&other.to_string())),
    };
}

/// The text in quotation marks where it contains blanks.
fn quoted(text: &str) -> String {
    let text = shortened(text);
    if text.is_empty() || text.contains(char::is_whitespace) { format!("{text:?}") } else { text }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A resource with a field per line, in the order of `json`; null fields are left out. Fails when `json` is no object.
pub(super) fn resource(json: &str) -> serde_json::Result<String> {
    let Fields(fields) = serde_json::from_str(json)?;
    let known = fields.iter().filter(|(_, value)| !value.is_null() && *value != Value::Object(Map::new()));
    Ok(known.fold(String::new(), |mut text, (name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(text, "{name:<20} {value}");
        text
    }))
}

/// A JSON object whose fields keep their order.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_of_one_word_stand_bare_and_others_in_quotation_marks() {
        let told = |value: Value| {
            let mut line = String::new();
            fact("x", &value, &mut line);
            line
        };
        assert_eq!(told(json!("busy")), " x=busy");
        assert_eq!(told(json!("two words")), " x=\"two words\"");
        assert_eq!(told(json!(7)), " x=7");
        assert_eq!(told(json!({"type": "agent"})), " x.type=agent");
        assert_eq!(told(Value::Null) + &told(json!({})), "");
        assert_eq!(told(json!("é".repeat(500))).chars().count(), " x=…".chars().count() + LONGEST);
    }

    #[test]
    fn a_resource_is_shown_without_what_is_not_known() {
        let text = resource(r#"{"id": "call_1", "end_reason": null, "metadata": {}, "duration_ms": 12}"#);
        assert_eq!(text.unwrap(), "id                   call_1\nduration_ms          12\n");
        assert!(resource("[]").is_err());
    }
}
