//! An event on its way to the server: its data is rendered once, the envelope anew for each attempt.

use std::sync::Arc;

use chrono::SecondsFormat;
use domain::envelope::Time;
use serde_json::{Map, Value, json};

#[derive(Debug)]
pub(super) struct Notice {
    /// Number of the event within its leg, from 1.
    pub number: u64,
    pub event_id: Arc<str>,
    pub event_type: Arc<str>,
    pub leg_id: Option<Arc<str>>,
    /// The rendered JSON of `data`.
    data: String,
    /// Target URL; `None` for the application's webhook URL.
    pub url: Option<Arc<str>>,
}

impl Notice {
    pub fn new(event_id: String, event_type: &str, at: Time, payload: Map<String, Value>) -> Self {
        let data = json!({
            "record_type": "event",
            "event_type": event_type,
            "id": event_id,
            "occurred_at": timestamp(at),
            "payload": payload,
        });
        Self {
            number: 0,
            event_id: event_id.into(),
            event_type: event_type.into(),
            leg_id: None,
            data: data.to_string(),
            url: None,
        }
    }

    /// The body of an attempt, numbered from 1.
    pub fn body(&self, attempt: u32, url: &str) -> String {
        let delivered_to = Value::from(url);
        format!(r#"{{"data":{},"meta":{{"attempt":{attempt},"delivered_to":{delivered_to}}}}}"#, self.data)
    }
}

/// Formats times as Telnyx does: RFC 3339, UTC, six digits of a second.
pub(super) fn timestamp(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
