//! Pages of lists, keyed by creation time and id: nothing is skipped or repeated while entries are added.

use std::fmt;
use std::str::FromStr;

use domain::envelope::{Time, Version};
use uuid::Uuid;

/// Most entries of a page.
pub const MAX_PAGE: u32 = 200;
/// Entries of a page when the request names no limit.
pub const DEFAULT_PAGE: u32 = 50;

/// A resource as the API shows it: finished JSON, which goes into the answer unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Version of the resource's stream, which is also its `ETag`.
    pub version: Version,
    /// Whether it shows more than the events of its own stream, which may change within a version: then its `ETag` tells
    /// the content as well.
    pub joined: bool,
    pub json: String,
}

impl Stored {
    /// A resource that shows only what its own events say.
    #[must_use]
    pub fn of_its_own(version: Version, json: String) -> Self {
        Self { version, joined: false, json }
    }
}

/// Direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The oldest entries first.
    Asc,
    /// The newest entries first.
    #[default]
    Desc,
}

/// The value that a field of a resource must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// `true` or `false`, as JSON.
    Flag(bool),
    /// Exactly this text, case included.
    Text(String),
}

/// A condition on a field of the resources in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFilter {
    /// Path of the field, with dots: `route.id`.
    pub path: &'static str,
    pub value: FieldValue,
}

/// The page of a list that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Most entries of the page; clamped to 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// The entry after which the page begins, in the list's order; `None`: at the beginning.
    pub after: Option<Cursor>,
    pub order: Order,
    /// Whether to count all entries that match the filter.
    pub with_total: bool,
    /// Only entries created after this time.
    pub created_after: Option<Time>,
    /// Only entries created before this time.
    pub created_before: Option<Time>,
    /// Only entries whose fields meet all of these conditions. The query scans all entries of the client, so use
    /// it for lists that stay short, such as menus.
    pub fields: Vec<FieldFilter>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            limit: DEFAULT_PAGE,
            after: None,
            order: Order::Desc,
            with_total: false,
            created_after: None,
            created_before: None,
            fields: Vec::new(),
        }
    }
}

impl PageRequest {
    /// The limit, clamped to its range.
    #[must_use]
    pub fn capped_limit(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE) as usize
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The resources, each as finished JSON.
    pub items: Vec<String>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
    /// Number of entries that match the filter; `None` unless it was asked for.
    pub total: Option<u64>,
}

/// A place in a list. Its text is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Creation time of the entry before.
    pub created_at: Time,
    /// Id of the entry before.
    pub id: Uuid,
}

/// The text is not a cursor that this server issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list: take next_cursor from the page before")]
pub struct BadCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the cast keeps the bits: times before 1970 survive it
        write!(f, "{:016x}{}", self.created_at.timestamp_micros() as u64, self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.len() != 48 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(BadCursor);
        }
        let micros = u64::from_str_radix(&text[..16], 16).map_err(|_| BadCursor)? as i64;
        let created_at = Time::from_timestamp_micros(micros).ok_or(BadCursor)?;
        let id = Uuid::try_parse(&text[16..]).map_err(|_| BadCursor)?;
        Ok(Self { created_at, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for micros in [0, 1_767_225_600_000_001, -1] {
            let created_at = Time::from_timestamp_micros(micros).unwrap();
            let cursor = Cursor { created_at, id: Uuid::from_u128(7) };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        let long = "g".repeat(48);
        for bad in ["", "abc", "7fffffffffffffff00000000000000000000000000000007", long.as_str(), "é"] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }
}
