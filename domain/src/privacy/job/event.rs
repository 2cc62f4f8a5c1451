//! What can happen to a job. These shapes are stored for ever: see `wire` before changing one.

use std::collections::BTreeMap;

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::{Position, Time};
use crate::ids::SubjectId;
use crate::origin::Origin;
use crate::wire::events;

events! {
    /// A fact of a job's life.
    pub enum PrivacyJobEvent {
        /// Somebody wants it.
        Requested(JobRequested) = "privacy_job.requested" v 1,
        /// From here on what was sealed under these keys opens nowhere, but for what nodes still remember.
        KeysDestroyed(KeysDestroyed) = "privacy_job.keys_destroyed" v 1,
        /// The log was searched.
        DataFound(DataFound) = "privacy_job.data_found" v 1,
        /// What was copied from the log in plain is gone or was made anew.
        CopiesCleaned(CopiesCleaned) = "privacy_job.copies_cleaned" v 1,
        /// It is done.
        Completed(JobCompleted) = "privacy_job.completed" v 1,
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Erase.
    Erase,
    /// Export.
    Export,
}

impl JobKind {
    /// Both.
    pub const ALL: [JobKind; 2] = [Self::Erase, Self::Export];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Export => "export",
        }
    }
}

/// By what the subject was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// A number or SIP address.
    Phone,
    /// The client's own name of a customer.
    CustomerId,
    /// A call they were on.
    CallId,
    /// A conversation they had.
    ConversationId,
    /// What their calls came from or went to, as the carrier wrote it.
    CallerId,
}

impl NamedBy {
    /// All of them.
    pub const ALL: [NamedBy; 5] =
        [Self::Phone, Self::CustomerId, Self::CallId, Self::ConversationId, Self::CallerId];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::CustomerId => "customer_id",
            Self::CallId => "call_id",
            Self::ConversationId => "conversation_id",
            Self::CallerId => "caller_id",
        }
    }
}

/// See [`PrivacyJobEvent::Requested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRequested {
    /// What.
    pub kind: JobKind,
    /// Of whom.
    pub subject: SubjectId,
    /// How they were named.
    pub named_by: NamedBy,
    /// Whose keys it is about: the subject's own, and those of calls and sessions of a customer.
    pub persons: Vec<SubjectId>,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`PrivacyJobEvent::KeysDestroyed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeysDestroyed {
    /// Which.
    pub keys: Vec<Uuid>,
    /// When no node remembers them any more.
    #[serde(with = "micros")]
    pub forgotten_at: Time,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`PrivacyJobEvent::DataFound`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataFound {
    /// How many events hold something of the subject's, by type.
    pub events: BTreeMap<String, u64>,
    /// In how many streams, by category.
    pub streams: BTreeMap<String, u64>,
    /// How many personal values.
    pub values: u64,
    /// How far the log was searched.
    pub through: Position,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// See [`PrivacyJobEvent::CopiesCleaned`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopiesCleaned {
    /// Views that were made anew.
    pub views: Vec<String>,
    /// Bodies of public events that were made anew.
    pub public_events: u64,
    /// Attempts of deliveries that were made anew.
    pub attempts: u64,
    /// Recordings the carrier has deleted, or had no more.
    pub recordings: u64,
    /// Recordings the carrier has still, because it could not be told to delete them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recordings_left: u64,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`PrivacyJobEvent::Completed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobCompleted {
    /// Whether nothing was known of the subject.
    pub nothing_found: bool,
    /// Of an erasure: when backups that hold the keys will have expired. Of an export: until when it is kept.
    #[serde(with = "micros_option", default)]
    pub until: Option<Time>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
