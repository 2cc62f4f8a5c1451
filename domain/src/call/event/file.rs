//! The file of a recording: stored, lost, removed.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::terms::{LostBecause, RemovedBecause};
use crate::envelope::Time;
use crate::personal::Personal;
use crate::ports::vault::Sealed;

/// A file in the object store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Key of the object.
    pub object: String,
    pub bytes: u64,
    /// SHA-256 of the content in hexadecimal: of a voice, and so of a person.
    pub sha256: Personal<String>,
    /// MIME type, by the content's first bytes.
    pub content_type: String,
    /// Key that the object is encrypted under, sealed by the vault; `None` where a bucket holds it as it is. Erasing the
    /// person destroys it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Personal<Sealed>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingStored {
    /// The effect that fetched it.
    pub effect_id: Uuid,
    /// The carrier's id of the recording.
    pub recording_id: Option<String>,
    pub file: StoredFile,
    /// 2 where each party has a channel of its own; `None` where the carrier does not say.
    pub channels: Option<u8>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingNotStored {
    /// The effect that gave up.
    pub effect_id: Uuid,
    /// The carrier's id of the recording.
    pub recording_id: Option<String>,
    pub because: LostBecause,
    /// How often the carrier was asked.
    pub attempts: u32,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingRemoved {
    /// Key of the object.
    pub object: String,
    pub because: RemovedBecause,
    #[serde(with = "micros")]
    pub at: Time,
}
