//! The call's recording.

use domain::call::RecordingAvailable;
use domain::call::terms::RecordingStatus;
use domain::envelope::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// The recording of a call. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Recording)]
pub struct RecordingView {
    /// Where it stands.
    #[schema(schema_with = schema::recording_status)]
    pub status: RecordingStatus,
    /// Where it can be fetched for a while.
    #[schema(required)]
    pub url: Option<String>,
    /// Until when.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub url_expires_at: Option<Time>,
    /// In milliseconds.
    #[schema(required)]
    pub duration_ms: Option<u64>,
    /// SHA-256 of the sound, in hexadecimal, once it is kept by us.
    #[schema(required)]
    pub sha256: Option<String>,
}

impl Default for RecordingView {
    fn default() -> Self {
        let status = RecordingStatus::None;
        Self { status, url: None, url_expires_at: None, duration_ms: None, sha256: None }
    }
}

impl RecordingView {
    pub(super) fn saved(recording: &RecordingAvailable) -> Self {
        Self {
            status: RecordingStatus::Available,
            url: recording.url.as_ref().and_then(|url| url.shown(String::clone)),
            url_expires_at: recording.url_expires_at,
            duration_ms: recording.duration_ms,
            sha256: None,
        }
    }
}
