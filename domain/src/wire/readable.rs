//! A stored payload as JSON for people: auditors, the history endpoints, the command line.

use std::fmt;

use chrono::{DateTime, SecondsFormat};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::DecodeError;
use crate::privacy::{ERASED, SEALED};

/// Reads any payload, of whatever type and schema, without knowing it.
///
/// Times (fields named `at`, `…_at`, `…_until`, `ends_by`) become RFC 3339 in UTC; personal values stand where their
/// marker stood, or `[erased]` when their key was destroyed; bytes become text if they are UTF-8, else hexadecimal.
///
/// Fails when the bytes are not MessagePack.
pub fn readable(event_type: &str, payload: &[u8]) -> Result<Value, DecodeError> {
    read(event_type, payload, ERASED)
}

/// The same for a payload as it is stored, which nobody has tried to open: each personal value reads `[sealed]`,
/// whether its key exists or not. Fails when the bytes are not MessagePack.
pub fn readable_sealed(event_type: &str, payload: &[u8]) -> Result<Value, DecodeError> {
    read(event_type, payload, SEALED)
}

fn read(event_type: &str, payload: &[u8], unopened: &'static str) -> Result<Value, DecodeError> {
    let mut payload = rmp_serde::Deserializer::from_read_ref(payload);
    let value = AnyValue { unopened }.deserialize(&mut payload);
    value.map_err(|_| DecodeError::Payload { event_type: event_type.to_owned() })
}

#[derive(Clone, Copy)]
struct AnyValue {
    /// What stands for a personal value that is still sealed.
    unopened: &'static str,
}

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MessagePack value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(match (std::str::from_utf8(value), uuid::Uuid::from_slice(value)) {
            (_, Ok(id)) => id.to_string().into(),
            (Ok(text), _) => text.into(),
            _ => value.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        })
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            let value = if is_time(&key) { time(value) } else { value };
            map.insert(key, value);
        }
        // the marker of a personal value
        Ok(match map.len() {
            1 if map.contains_key("plain") => map.remove("plain").unwrap_or_default(),
            1 if map.contains_key("sealed") => self.unopened.into(),
            _ => Value::Object(map),
        })
    }
}

fn is_time(key: &str) -> bool {
    key == "at" || key == "ends_by" || key.ends_with("_at") || key.ends_with("_until")
}

fn time(value: Value) -> Value {
    let time = value.as_i64().and_then(DateTime::from_timestamp_micros);
    time.map_or(value, |time| time.to_rfc3339_opts(SecondsFormat::Micros, true).into())
}

#[cfg(test)]
mod tests {
    use serde_bytes::ByteBuf;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::call::report::LegRole;
    use crate::call::{CallEvent, CarrierEventReceived, Disposition, SpeechRequested};
    use crate::wire::DomainEvent;

    #[test]
    fn a_payload_reads_as_a_person_would_write_it() {
        let at = DateTime::from_timestamp_micros(1_767_225_600_000_001).unwrap();
        let said = CallEvent::from(SpeechRequested {
            effect_id: Uuid::from_u128(5),
            seq: 2,
            text: "hello".to_owned().into(),
            at,
        });
        let shown = readable(said.event_type(), &said.encode()).unwrap();
        let id = Uuid::from_u128(5).to_string();
        let expected =
            json!({"effect_id": id, "seq": 2, "text": "hello", "at": "2026-01-01T00:00:00.000001Z"});
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_sealed_reads_as_erased_only_where_somebody_tried_to_open_it() {
        let stored = json!({"text": {"sealed": [7, 7, 7]}, "more": [{"sealed": "x"}]});
        let stored = rmp_serde::to_vec_named(&stored).unwrap();
        let (opened, raw) = (readable("call.said", &stored), readable_sealed("call.said", &stored));
        assert_eq!(opened.unwrap(), json!({"text": "[erased]", "more": ["[erased]"]}));
        assert_eq!(raw.unwrap(), json!({"text": "[sealed]", "more": ["[sealed]"]}));
    }

    #[test]
    fn bytes_and_nested_personal_values_are_shown() {
        let at = DateTime::from_timestamp_micros(0).unwrap();
        let receipt = CallEvent::from(CarrierEventReceived {
            provider: "telnyx".into(),
            event_id: "e".into(),
            event_type: "call.hangup".into(),
            occurred_at: at,
            disposition: Disposition::Applied,
            leg_role: LegRole::Main,
            raw: ByteBuf::from(br#"{"data":{}}"#.to_vec()).into(),
        });
        let shown = readable(receipt.event_type(), &receipt.encode()).unwrap();
        assert_eq!(shown["raw"], json!(r#"{"data":{}}"#));
        assert_eq!(shown["occurred_at"], json!("1970-01-01T00:00:00.000000Z"));
    }
}
