//! Filter on events of the log.

use chrono::serde::ts_microseconds_option as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::{Recorded, StreamId, Time};
use crate::ids::ClientId;

/// Conditions on an event; one that is not given matches every event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// Types of events, any of which matches; empty matches all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// Recorded at this moment or later.
    #[serde(default, with = "micros", skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// Recorded before this moment.
    #[serde(default, with = "micros", skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
}

impl HistoryFilter {
    /// Whether an event meets all conditions.
    #[must_use]
    pub fn wants(&self, event: &Recorded) -> bool {
        self.client.is_none_or(|client| client == event.client_id)
            && self.from.is_none_or(|from| event.recorded_at >= from)
            && self.to.is_none_or(|to| event.recorded_at < to)
            && self.stream.as_ref().is_none_or(|stream| *stream == event.stream)
            && (self.types.is_empty() || self.types.contains(&event.event_type))
            && self.correlation_id.is_none_or(|id| correlates(event, id))
    }
}

fn correlates(event: &Recorded, id: Uuid) -> bool {
    // a search for the id's bytes rules out most events without reading the JSON
    let mut text = Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut text).as_bytes();
    event.metadata.windows(text.len()).any(|part| part == text)
        && event.metadata().is_ok_and(|metadata| metadata.correlation_id == id)
}
