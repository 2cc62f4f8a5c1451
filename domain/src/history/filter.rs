//! Which events are asked for.

use chrono::serde::ts_microseconds_option as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::{Recorded, StreamId, Time};
use crate::ids::ClientId;

/// What an event must be; whatever is not given does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryFilter {
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// Of this stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// One of these types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Of this correlation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// Recorded at this moment or later.
    #[serde(default, with = "micros", skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// And before this one.
    #[serde(default, with = "micros", skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
}

impl HistoryFilter {
    /// Whether an event is one of those.
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
    // most are not, and that is told without reading the JSON
    let mut text = Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut text).as_bytes();
    event.metadata.windows(text.len()).any(|part| part == text)
        && event.metadata().is_ok_and(|metadata| metadata.correlation_id == id)
}
