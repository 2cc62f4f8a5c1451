//! Events of a privacy job. These shapes are stored for ever: see `wire` before changing one.

use std::collections::BTreeMap;

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::{Position, Time};
use crate::ids::SubjectId;
use crate::origin::Origin;
use crate::wire::events;

events! {
    pub enum PrivacyJobEvent {
        Requested(JobRequested) = "privacy_job.requested" v 1,
        /// Nobody can open what these keys sealed any more, except nodes that still cache them.
        KeysDestroyed(KeysDestroyed) = "privacy_job.keys_destroyed" v 1,
        /// The log was searched for data of the subject.
        DataFound(DataFound) = "privacy_job.data_found" v 1,
        /// Plain copies of the data were removed or made anew.
        CopiesCleaned(CopiesCleaned) = "privacy_job.copies_cleaned" v 1,
        Completed(JobCompleted) = "privacy_job.completed" v 1,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    Erase,
    Export,
}

impl JobKind {
    pub const ALL: [JobKind; 2] = [Self::Erase, Self::Export];

    /// Name on the wire and in views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Export => "export",
        }
    }
}

/// How the request named the subject.
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
    /// The other party of their calls, as the carrier wrote it.
    CallerId,
}

impl NamedBy {
    pub const ALL: [NamedBy; 5] =
        [Self::Phone, Self::CustomerId, Self::CallId, Self::ConversationId, Self::CallerId];

    /// Name on the wire and in views, for example `customer_id`.
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRequested {
    pub kind: JobKind,
    pub subject: SubjectId,
    pub named_by: NamedBy,
    /// Owners of the keys concerned: the subject, and calls and sessions of a customer.
    pub persons: Vec<SubjectId>,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeysDestroyed {
    /// Ids of the keys that were destroyed.
    pub keys: Vec<Uuid>,
    /// When no node caches the keys any more.
    #[serde(with = "micros")]
    pub forgotten_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataFound {
    /// Number of events with data of the subject, by type.
    pub events: BTreeMap<String, u64>,
    /// Number of streams, by category.
    pub streams: BTreeMap<String, u64>,
    /// Number of personal values found.
    pub values: u64,
    /// How far the log was searched.
    pub through: Position,
    #[serde(with = "micros")]
    pub at: Time,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopiesCleaned {
    /// Views that were made anew.
    pub views: Vec<String>,
    /// Number of bodies of public events that were made anew.
    pub public_events: u64,
    /// Number of attempts of deliveries that were made anew.
    pub attempts: u64,
    /// Number of recordings that the carrier deleted, or no longer had.
    pub recordings: u64,
    /// Number of recordings that the carrier still has, because it could not be asked to delete them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recordings_left: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobCompleted {
    /// Whether nothing was known about the subject.
    pub nothing_found: bool,
    /// Erasure: when backups that hold the keys will have expired. Export: until when it is kept.
    #[serde(with = "micros_option", default)]
    pub until: Option<Time>,
    #[serde(with = "micros")]
    pub at: Time,
}
