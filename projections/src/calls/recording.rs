//! The recording of a call.

use domain::call::RecordingAvailable;
use domain::call::terms::RecordingStatus;
use domain::envelope::Time;
use domain::privacy::ERASED;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The recording of a call. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Recording)]
pub struct RecordingView {
    /// Whether there is a recording, and whether it is available.
    #[schema(value_type = crate::words::RecordingStatus)]
    pub status: RecordingStatus,
    /// Address of the sound file, valid for a limited time.
    #[schema(required)]
    pub url: Option<String>,
    /// When the address stops to be valid.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub url_expires_at: Option<Time>,
    /// Length of the recording in milliseconds.
    #[schema(required)]
    pub duration_ms: Option<u64>,
    /// SHA-256 of the sound file in hexadecimal; `null` until we keep it.
    #[schema(required, pattern = "^[0-9a-f]{64}$")]
    pub sha256: Option<String>,
}

impl Default for RecordingView {
    fn default() -> Self {
        let status = RecordingStatus::None;
        Self { status, url: None, url_expires_at: None, duration_ms: None, sha256: None }
    }
}

/// Whether an address from a carrier may be shown as a link: over TLS, or on this machine, as in a simulation.
/// Other addresses may be scripts. The mark of an erased address is shown, too.
fn is_link(url: &str) -> bool {
    let local =
        ["http://127.0.0.1:", "http://127.0.0.1/", "http://localhost:", "http://localhost/", "http://[::1]:"];
    let is_local = || !url.contains('@') && local.iter().any(|local| url.starts_with(local));
    url.starts_with("https://") || url == ERASED || is_local()
}

impl RecordingView {
    pub(super) fn saved(recording: &RecordingAvailable) -> Self {
        Self {
            status: RecordingStatus::Available,
            url: recording.url.as_ref().and_then(|url| url.shown(String::clone)).filter(|url| is_link(url)),
            url_expires_at: recording.url_expires_at,
            duration_ms: recording.duration_ms,
            sha256: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_link;

    #[test]
    fn only_what_leads_over_tls_or_to_this_machine_becomes_a_link() {
        for good in ["https://carrier.example/rec.mp3?sig=1", "http://127.0.0.1:4711/rec", "[erased]"] {
            assert!(is_link(good), "{good}");
        }
        for bad in [
            "javascript:alert(document.domain)",
            "JavaScript:alert(1)",
            " https://carrier.example",
            "data:text/html,<script>",
            "http://carrier.example/rec.mp3",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "file:///etc/passwd",
            "//carrier.example/rec",
            "",
        ] {
            assert!(!is_link(bad), "{bad}");
        }
    }
}
