//! The envelope every stored event travels in: stream, version, position, metadata.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::ClientId;

/// A time in UTC, kept to the microsecond.
pub type Time = DateTime<Utc>;

/// The largest payload an event may carry, in bytes: 1 MiB, the largest body the API takes, and 64 KiB for what is
/// stored with a carrier's webhook. Media never enters an event.
pub const MAX_PAYLOAD_BYTES: usize = (1 << 20) + (64 << 10);

/// Number of an event in the whole log: 1, 2, 3 … without holes; 0 means "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Position = Position(0);

    /// The position `n` events further on.
    #[must_use]
    pub fn plus(self, n: u64) -> Position {
        Position(self.0 + n)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a store has followed the log: a position, and the id of the event at it. The same position of another
/// history holds another event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventRef {
    /// Position of the last event the store took in.
    pub position: Position,
    /// Id of that event; `None` before the first event, and where the store did not keep it.
    pub id: Option<Uuid>,
}

impl EventRef {
    /// Before the first event.
    pub const START: EventRef = EventRef { position: Position::START, id: None };
}

impl From<Position> for EventRef {
    fn from(position: Position) -> Self {
        Self { position, id: None }
    }
}

impl From<&Recorded> for EventRef {
    fn from(event: &Recorded) -> Self {
        Self { position: event.position, id: Some(event.id) }
    }
}

/// Number of an event in its stream: 1, 2, 3 … ; 0 is the version of a stream that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// A stream without events.
    pub const NONE: Version = Version(0);
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of a stream: `<category>-<uuid>`, for example `call-018f…`.
///
/// It is never personal data: only a category of lower-case letters and `_`, and a UUID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId {
    // shared between all clones
    name: Arc<str>,
    category_len: usize,
}

/// The text is not a stream name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stream is named <category>-<uuid>")]
pub struct BadStreamId;

impl StreamId {
    /// The stream of `id` in `category`.
    #[must_use]
    pub fn new(category: &'static str, id: Uuid) -> Self {
        Self { name: format!("{category}-{}", id.hyphenated()).into(), category_len: category.len() }
    }

    /// The whole name, as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The part before the dash: `call`, `number`, ….
    #[must_use]
    pub fn category(&self) -> &str {
        &self.name[..self.category_len]
    }

    /// The UUID after the dash.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.name[self.category_len + 1..].parse().unwrap_or(Uuid::nil())
    }
}

impl FromStr for StreamId {
    type Err = BadStreamId;

    fn from_str(name: &str) -> Result<Self, BadStreamId> {
        let category_len = category_len(name)?;
        Ok(Self { name: name.into(), category_len })
    }
}

impl TryFrom<String> for StreamId {
    type Error = BadStreamId;

    fn try_from(name: String) -> Result<Self, BadStreamId> {
        let category_len = category_len(&name)?;
        Ok(Self { name: name.into(), category_len })
    }
}

/// Checks a whole stream name and answers where its category ends. Allocates nothing, because it runs for every
/// event that is read.
fn category_len(name: &str) -> Result<usize, BadStreamId> {
    let (category, id) = name.split_once('-').ok_or(BadStreamId)?;
    let lower = !category.is_empty() && category.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let uuid = Uuid::try_parse(id).map_err(|_| BadStreamId)?;
    if lower && uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == id {
        Ok(category.len())
    } else {
        Err(BadStreamId)
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> String {
        id.name.as_ref().to_owned()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Who caused an event. Ids only, never names or numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// A person who signed in.
    User(Uuid),
    /// A program with an API key.
    ApiKey(Uuid),
    /// A carrier or voice runtime, by its provider name.
    Carrier(String),
    /// The node itself: a timer, a process manager, an operator's command line.
    System(String),
}

/// Context of an event besides its payload. Stored as JSON, readable by plain SQL.
///
/// It holds ids only: personal data and secrets never enter it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Shared by everything that follows from one outside cause, such as a request or a webhook.
    pub correlation_id: Uuid,
    /// The event (or command) this event follows from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    pub actor: Actor,
    /// Id of the HTTP request it came in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// W3C trace context (<https://www.w3.org/TR/trace-context/>) of the step that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Id of the command that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Uuid>,
    /// The node incarnation that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl Metadata {
    /// Metadata of something the node itself does, with `correlation_id` as its whole context.
    #[must_use]
    pub fn system(component: &str, correlation_id: Uuid) -> Self {
        Self {
            correlation_id,
            causation_id: None,
            actor: Actor::System(component.to_owned()),
            request_id: None,
            traceparent: None,
            command_id: None,
            node: None,
        }
    }
}

/// An event about to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// UUIDv7; appending the same id again to the same stream is recognised as a repeat.
    pub id: Uuid,
    /// Dotted, lower case: `call.answered`.
    pub event_type: String,
    /// Version of the payload's shape, from 1.
    pub schema: u16,
    /// The tenant it belongs to.
    pub client_id: ClientId,
    /// MessagePack, named maps; at most [`MAX_PAYLOAD_BYTES`].
    pub payload: Vec<u8>,
    pub metadata: Metadata,
    /// When it was recorded, by the writer's clock, to the microsecond.
    pub recorded_at: Time,
}

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub position: Position,
    pub stream: StreamId,
    pub version: Version,
    pub id: Uuid,
    pub event_type: String,
    pub schema: u16,
    pub client_id: ClientId,
    /// The stored bytes, never re-encoded.
    pub payload: Bytes,
    /// The stored bytes of the metadata: JSON. Read it with [`Recorded::metadata`].
    pub metadata: Bytes,
    pub recorded_at: Time,
}

impl Recorded {
    /// Decodes the metadata. Fails when the stored bytes are not the JSON this version writes.
    pub fn metadata(&self) -> Result<Metadata, serde_json::Error> {
        serde_json::from_slice(&self.metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_is_a_category_and_a_uuid() {
        let id = Uuid::from_u128(7);
        let stream = StreamId::new("ivr_session", id);
        let parsed: StreamId = stream.as_str().parse().unwrap();
        assert_eq!((parsed.category(), parsed.id()), ("ivr_session", id));
        for bad in [
            "",
            "call",
            "call-",
            "call-7",
            "Call-00000000-0000-0000-0000-000000000007",
            "-x",
            "call-+15550100",
        ] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad}");
        }
    }
}
