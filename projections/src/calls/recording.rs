//! The recording of a call, and the files that it consists of.

use domain::call::terms::{LostBecause, RecordingFormat, RecordingStatus, RecordingStorage};
use domain::call::{RecordingAvailable, RecordingNotStored, RecordingRemoved, RecordingStored};
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
    /// Who keeps the sound file: the carrier, or this node's object store.
    #[serde(default = "RecordingView::nowhere")]
    #[schema(value_type = crate::words::RecordingStorage)]
    pub storage: RecordingStorage,
    /// Size of the sound file; `null` until we keep it.
    #[serde(default)]
    #[schema(required)]
    pub bytes: Option<u64>,
    /// 2 where each party has a channel of its own, 1 where they share one; `null` where the carrier does not say.
    #[serde(default)]
    #[schema(required)]
    pub channels: Option<u8>,
}

/// A file of a call, as its row holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFile {
    /// The carrier's id of the recording.
    pub recording_id: Option<String>,
    pub state: FileState,
    /// Address at the carrier, while it keeps the file.
    pub url: Option<String>,
    #[serde(with = "crate::edge::rfc3339_option")]
    pub url_expires_at: Option<Time>,
    /// Key of the object, once stored.
    pub object: Option<String>,
    pub content_type: Option<String>,
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
    pub channels: Option<u8>,
    pub duration_ms: Option<u64>,
    /// When the carrier had finished it.
    #[serde(with = "crate::edge::rfc3339")]
    pub created_at: Time,
    /// Why it will never be stored.
    pub failure: Option<LostBecause>,
}

/// Where a file of a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// At the carrier; the node fetches it, or leaves it there.
    Provider,
    /// In the object store.
    Stored,
    /// It could not be fetched: only the carrier may have it.
    Failed,
    /// It was in the object store, and was removed.
    Removed,
}

impl FileState {
    pub const ALL: &'static [Self] = &[Self::Provider, Self::Stored, Self::Failed, Self::Removed];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Stored => "stored",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }
}

/// The recording and all files of a call, as its row holds them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallFiles {
    #[serde(flatten)]
    pub recording: RecordingView,
    /// In the order they were finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<CallFile>,
}

impl CallFiles {
    /// The file that is in the object store, the newest one.
    #[must_use]
    pub fn stored(&self) -> Option<&CallFile> {
        self.files.iter().rev().find(|file| file.state == FileState::Stored)
    }

    pub(super) fn status(&mut self, status: RecordingStatus) {
        self.recording.status = status;
    }

    pub(super) fn saved(&mut self, saved: &RecordingAvailable) {
        self.recording = RecordingView::saved(saved);
        let format = match saved.format {
            Some(RecordingFormat::Mp3) => Some("audio/mpeg".to_owned()),
            Some(RecordingFormat::Wav) => Some("audio/wav".to_owned()),
            None => None,
        };
        let file = CallFile {
            recording_id: saved.recording_id.clone(),
            state: FileState::Provider,
            url: self.recording.url.clone(),
            url_expires_at: saved.url_expires_at,
            object: None,
            content_type: format,
            bytes: None,
            sha256: None,
            channels: saved.channels,
            duration_ms: saved.duration_ms,
            created_at: saved.at,
            failure: None,
        };
        match self.file(saved.recording_id.as_deref()) {
            Some(known) => *known = file,
            None => self.files.push(file),
        }
    }

    pub(super) fn kept(&mut self, stored: &RecordingStored) {
        let (sha256, channels) = (stored.file.sha256.reveal().cloned(), stored.channels);
        if let Some(file) = self.file(stored.recording_id.as_deref()) {
            file.state = FileState::Stored;
            file.url = None;
            file.url_expires_at = None;
            file.object = Some(stored.file.object.clone());
            file.content_type = Some(stored.file.content_type.clone());
            file.bytes = Some(stored.file.bytes);
            file.sha256.clone_from(&sha256);
            file.channels = channels.or(file.channels);
        }
        let recording = &mut self.recording;
        recording.storage = RecordingStorage::Stored;
        recording.url = None;
        recording.url_expires_at = None;
        recording.bytes = Some(stored.file.bytes);
        recording.sha256 = sha256;
        recording.channels = channels.or(recording.channels);
    }

    pub(super) fn not_kept(&mut self, lost: &RecordingNotStored) {
        if let Some(file) = self.file(lost.recording_id.as_deref()) {
            file.state = FileState::Failed;
            file.failure = Some(lost.because);
        }
    }

    pub(super) fn removed(&mut self, removed: &RecordingRemoved) {
        for file in self.files.iter_mut().filter(|file| file.object.as_ref() == Some(&removed.object)) {
            file.state = FileState::Removed;
            file.object = None;
            file.sha256 = None;
        }
        if self.stored().is_none() {
            self.recording.storage = RecordingStorage::None;
            self.recording.sha256 = None;
        }
    }

    /// The newest file of this recording.
    fn file(&mut self, recording_id: Option<&str>) -> Option<&mut CallFile> {
        self.files.iter_mut().rev().find(|file| file.recording_id.as_deref() == recording_id)
    }
}

impl Default for RecordingView {
    fn default() -> Self {
        let status = RecordingStatus::None;
        Self {
            status,
            url: None,
            url_expires_at: None,
            duration_ms: None,
            sha256: None,
            storage: Self::nowhere(),
            bytes: None,
            channels: None,
        }
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
            storage: RecordingStorage::Provider,
            channels: recording.channels,
            ..Self::default()
        }
    }

    const fn nowhere() -> RecordingStorage {
        RecordingStorage::None
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
