//! A sealed bundle of events: NDJSON that is checked without a database.
//!
//! ```text
//! {"kind":"manifest", …}   the signed checkpoint, and which events were asked for
//! {"kind":"event", …}      an event, as it is stored
//! {"kind":"gap", …}        events left out: the hashes of the largest subtrees they make up
//! {"kind":"end", …}
//! ```
//!
//! Events and gaps follow the log without overlap from position 1 to the size of the checkpoint. So their hashes make
//! up its root, and whoever changes, adds, moves or drops anything comes to another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::HistoryFilter;
use crate::envelope::{Position, Recorded, StreamId, Time, Version};
use crate::ids::ClientId;
use crate::merkle::Hash;

/// What a manifest says it is.
pub const FORMAT: &str = "voxledger-export/1";

/// A line of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Manifest(Box<Manifest>),
    /// An event.
    Event(Box<BundledEvent>),
    /// Events left out.
    Gap(Gap),
    /// The last line.
    End(End),
}

/// What a bundle is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Which log.
    pub log: Uuid,
    /// The signed head that proves all that follows.
    pub checkpoint: String,
    /// The first position that was asked for.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// Which events of those.
    pub filter: HistoryFilter,
}

/// An event, with the very bytes that were stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledEvent {
    /// See [`Recorded::position`].
    pub position: Position,
    /// See [`Recorded::stream`].
    pub stream: StreamId,
    /// See [`Recorded::version`].
    pub version: Version,
    /// See [`Recorded::id`].
    pub id: Uuid,
    /// See [`Recorded::event_type`].
    #[serde(rename = "type")]
    pub event_type: String,
    /// See [`Recorded::schema`].
    pub schema: u16,
    /// See [`Recorded::client_id`].
    pub client_id: ClientId,
    /// See [`Recorded::recorded_at`].
    pub recorded_at: Time,
    /// JSON, as text: its very bytes are proven.
    pub metadata: String,
    /// MessagePack, in base64.
    pub payload: String,
    /// The hash of its leaf.
    pub leaf: Hash,
}

/// Neighbouring events that were not asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The first position left out.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// The hashes of [`subtrees`](crate::merkle::subtrees)`(from - 1, to)`.
    pub hashes: Vec<Hash>,
}

/// That nothing is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many events there were.
    pub events: u64,
}

impl BundledEvent {
    /// An event and the hash of its leaf. `None` when its metadata is no text, which no store of ours lets in.
    #[must_use]
    pub fn of(event: &Recorded, leaf: Hash) -> Option<Self> {
        Some(Self {
            position: event.position,
            stream: event.stream.clone(),
            version: event.version,
            id: event.id,
            event_type: event.event_type.clone(),
            schema: event.schema,
            client_id: event.client_id,
            recorded_at: event.recorded_at,
            metadata: String::from_utf8(event.metadata.to_vec()).ok()?,
            payload: STANDARD.encode(&event.payload),
            leaf,
        })
    }

    /// The event as it stood in the log; `None` when the payload is not base64.
    #[must_use]
    pub fn recorded(self) -> Option<Recorded> {
        Some(Recorded {
            position: self.position,
            stream: self.stream,
            version: self.version,
            id: self.id,
            event_type: self.event_type,
            schema: self.schema,
            client_id: self.client_id,
            payload: STANDARD.decode(self.payload).ok()?.into(),
            metadata: self.metadata.into_bytes().into(),
            recorded_at: self.recorded_at,
        })
    }
}
