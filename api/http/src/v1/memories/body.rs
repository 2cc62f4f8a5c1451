//! Fields of a memory as requests give them.

use domain::envelope::Time;
use domain::memory::MemoryKind;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::Fields;

/// What a memory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MemoryKind)]
pub(crate) enum KindBody {
    Fact,
    Preference,
    Issue,
    Promise,
    Note,
}

impl From<KindBody> for MemoryKind {
    fn from(body: KindBody) -> Self {
        match body {
            KindBody::Fact => Self::Fact,
            KindBody::Preference => Self::Preference,
            KindBody::Issue => Self::Issue,
            KindBody::Promise => Self::Promise,
            KindBody::Note => Self::Note,
        }
    }
}

/// Converts a confidence to thousandths; notes a fault unless it is from 0 to 1.
pub(super) fn confidence(value: f64, fields: &mut Fields) -> u16 {
    if !(0.0..=1.0).contains(&value) {
        fields.fault("confidence", "invalid", "must be from 0 to 1");
    }
    (value.clamp(0.0, 1.0) * 1_000.0).round() as u16
}

/// Reads a time; notes a fault unless it is RFC 3339.
pub(super) fn time(text: &str, fields: &mut Fields) -> Option<Time> {
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => {
            fields.fault("expires_at", "invalid", "must be a time like 2026-01-31T12:00:00Z");
            None
        }
    }
}
