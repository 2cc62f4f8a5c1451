//! A sealed bundle of events: NDJSON that is checked without a database.
//!
//! ```text
//! {"kind":"manifest", …}   the signed checkpoint, and which events were asked for
//! {"kind":"event", …}      an event, as it is stored
//! {"kind":"gap", …}        events left out: the hashes of the largest subtrees they make up
//! {"kind":"end", …}
//! ```
//!
//! Events and gaps cover the log without overlap from position 1 to the size of the checkpoint. Together their
//! hashes give its root: after any change, addition, move or omission they give another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::HistoryFilter;
use crate::envelope::{Position, Recorded, StreamId, Time, Version};
use crate::ids::ClientId;
use crate::merkle::Hash;

/// Name and version of the format, as a manifest states it.
pub const FORMAT: &str = "voxledger-export/1";

/// A line of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    Manifest(Box<Manifest>),
    Event(Box<BundledEvent>),
    Gap(Gap),
    End(End),
}

/// First line of a bundle: which events it holds, and the checkpoint that proves them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Equals [`FORMAT`] in this version.
    pub format: String,
    /// Id of the log.
    pub log: Uuid,
    /// The signed checkpoint against which all events are proven.
    pub checkpoint: String,
    /// The first position that was asked for.
    pub first: u64,
    /// The last position that was asked for.
    pub last: u64,
    /// Which events between `first` and `last` were asked for.
    pub filter: HistoryFilter,
}

/// An event with exactly the bytes that were stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledEvent {
    pub position: Position,
    pub stream: StreamId,
    pub version: Version,
    pub id: Uuid,
    #[serde(rename = "type")]
    pub event_type: String,
    pub schema: u16,
    pub client_id: ClientId,
    pub recorded_at: Time,
    /// The stored JSON as text; the hash covers these bytes.
    pub metadata: String,
    /// The stored MessagePack in base64.
    pub payload: String,
    /// Hash of the event's leaf in the Merkle tree.
    pub leaf: Hash,
}

/// Neighbouring events that were not asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The first position left out.
    pub from: u64,
    /// The last position left out.
    pub to: u64,
    /// The hashes of [`subtrees`](crate::merkle::subtrees)`(from - 1, to)`.
    pub hashes: Vec<Hash>,
}

/// Last line of a bundle: without it the bundle is cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Number of events in the bundle.
    pub events: u64,
}

impl BundledEvent {
    /// An event with the hash of its leaf; `None` when its metadata is not text, which no store accepts.
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
