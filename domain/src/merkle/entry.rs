//! An event as a leaf of the tree. The layout is fixed for ever (ADR 14): another one is another tree.

use uuid::Uuid;

use super::hash::{Hash, leaf_hash};
use crate::envelope::Recorded;

/// What every entry begins with: no other kind of hash can be mistaken for one.
const DOMAIN: &[u8] = b"voxledger/entry/v1";

/// An event with all that is proven of it. Of payload and metadata only the hashes enter, so that either may be
/// archived or lost and the rest still be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which log.
    pub log: Uuid,
    /// Its number in the log, from 1. Its leaf has the number before.
    pub position: u64,
    /// Its stream.
    pub stream: &'a str,
    /// Its number in the stream.
    pub version: u64,
    /// Its id.
    pub id: Uuid,
    /// What happened.
    pub event_type: &'a str,
    /// Version of the payload's shape.
    pub schema: u16,
    /// When it was recorded, in microseconds since 1970, UTC.
    pub recorded_at: i64,
    /// The tenant.
    pub client: Uuid,
    /// SHA-256 of the stored metadata.
    pub metadata: Hash,
    /// SHA-256 of the stored payload.
    pub payload: Hash,
}

impl<'a> Entry<'a> {
    /// The entry of an event of the log `log`.
    #[must_use]
    pub fn of(log: Uuid, event: &'a Recorded) -> Self {
        Self {
            log,
            position: event.position.0,
            stream: event.stream.as_str(),
            version: event.version.0,
            id: event.id,
            event_type: &event.event_type,
            schema: event.schema,
            recorded_at: event.recorded_at.timestamp_micros(),
            client: event.client_id.0,
            metadata: Hash::of(&event.metadata),
            payload: Hash::of(&event.payload),
        }
    }

    /// Its bytes, appended to `bytes`. Numbers are big-endian; text has its length in 4 bytes before it.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let text = |bytes: &mut Vec<u8>, text: &[u8]| {
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(text);
        };
        text(bytes, DOMAIN);
        bytes.extend_from_slice(self.log.as_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
        text(bytes, self.stream.as_bytes());
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        text(bytes, self.event_type.as_bytes());
        bytes.extend_from_slice(&self.schema.to_be_bytes());
        bytes.extend_from_slice(&self.recorded_at.to_be_bytes());
        bytes.extend_from_slice(self.client.as_bytes());
        bytes.extend_from_slice(&self.metadata.0);
        bytes.extend_from_slice(&self.payload.0);
    }

    /// The hash of its leaf.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let mut bytes = Vec::with_capacity(320);
        self.write(&mut bytes);
        leaf_hash(&bytes)
    }
}

/// The id of a log: the id of its first event. So it need not be kept anywhere, and the tree follows from the log
/// alone.
#[must_use]
pub fn log_id(first: &Recorded) -> Uuid {
    first.id
}

/// The first line of a log's checkpoints, and the name of its key.
#[must_use]
pub fn origin(log: Uuid) -> String {
    format!("voxledger/log/{}", log.hyphenated())
}
