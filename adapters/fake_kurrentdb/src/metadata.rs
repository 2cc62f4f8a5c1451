//! Stream metadata: what `$$stream` says about a stream.

use bytes::Bytes;
use serde_json::{Value, json};

/// Name of the stream with a stream's metadata.
pub fn metadata_stream(stream: &str) -> String {
    format!("$${stream}")
}

/// Which events of a stream reads leave out. Values of a wrong type count as not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Truncation {
    /// `$tb`: events before this revision.
    pub before: Option<u64>,
    /// `$maxCount`: all but the newest so many.
    pub max_count: Option<u64>,
    /// `$maxAge`: events older than this.
    pub max_age_seconds: Option<u64>,
}

impl Truncation {
    pub fn read(data: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(data).unwrap_or_default();
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        Self { before: number("$tb"), max_count: number("$maxCount"), max_age_seconds: number("$maxAge") }
    }
}

/// Metadata that holds nothing but `$tb`.
pub fn with_truncation(before: u64) -> Bytes {
    json!({ "$tb": before }).to_string().into()
}
