//! An event as a leaf of the Merkle tree. The layout never changes (ADR 14), because another
//! layout gives another tree.

use uuid::Uuid;

use super::hash::{Hash, leaf_hash};
use crate::envelope::Recorded;

/// Domain separation: every entry begins with these bytes, so that no other hash can be mistaken for one.
const DOMAIN: &[u8] = b"voxledger/entry/v1";

/// The parts of an event that its leaf covers. Payload and metadata enter as hashes only, so that either may be
/// archived or lost and the rest can still be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Id of the log.
    pub log: Uuid,
    /// Number in the log, from 1. The index of its leaf is one less.
    pub position: u64,
    pub stream: &'a str,
    /// Number in its stream, from 1.
    pub version: u64,
    pub id: Uuid,
    /// For example `call.answered`, as stored.
    pub event_type: &'a str,
    /// Version of the payload's shape.
    pub schema: u16,
    /// When it was recorded, in microseconds since 1970, UTC.
    pub recorded_at: i64,
    pub client: Uuid,
    /// SHA-256 of the stored metadata.
    pub metadata: Hash,
    /// SHA-256 of the stored payload.
    pub payload: Hash,
}

impl<'a> Entry<'a> {
    /// The entry of `event` in the log `log`.
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

    /// Appends the entry's bytes to `bytes`. Numbers are big-endian; a text follows its length in 4 bytes.
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

    /// Hash of the entry's leaf.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let mut bytes = Vec::with_capacity(320);
        self.write(&mut bytes);
        leaf_hash(&bytes)
    }
}

/// The id of a log: the id of its first event. It need not be stored, and the tree follows from the log alone.
#[must_use]
pub fn log_id(first: &Recorded) -> Uuid {
    first.id
}

/// The first line of a log's checkpoints, and the name of its key.
#[must_use]
pub fn origin(log: Uuid) -> String {
    format!("voxledger/log/{}", log.hyphenated())
}
