//! Lists come in pages, keyed by when a resource was made and its id: nothing is skipped or repeated while
//! others are added.

use std::fmt;
use std::str::FromStr;

use domain::envelope::{Time, Version};
use uuid::Uuid;

/// The most entries a page may have.
pub const MAX_PAGE: u32 = 200;
/// How many entries a page has when nobody says otherwise.
pub const DEFAULT_PAGE: u32 = 50;

/// A resource as it is shown: finished JSON, to be spliced into the answer as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Version of its stream; its `ETag`.
    pub version: Version,
    /// The resource.
    pub json: String,
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// What a field of a resource must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// `true` or `false`.
    Flag(bool),
    /// This text, exactly.
    Text(String),
}

/// A condition on a field of the resources of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFilter {
    /// Where the field stands, with dots: `route.id`.
    pub path: &'static str,
    /// What it must be.
    pub value: FieldValue,
}

/// Which page of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many entries; taken as 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// After which entry, in the list's order; from the beginning if none.
    pub after: Option<Cursor>,
    /// Which way.
    pub order: Order,
    /// Whether all entries that fit the filter are to be counted.
    pub with_total: bool,
    /// Only entries made after this moment.
    pub created_after: Option<Time>,
    /// Only entries made before this moment.
    pub created_before: Option<Time>,
    /// Only entries whose fields fit all of these. The entries of one client are looked through: for lists that stay
    /// short, such as menus.
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
    /// The limit, brought into its range.
    #[must_use]
    pub fn capped_limit(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE) as usize
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The resources, each finished JSON.
    pub items: Vec<String>,
    /// Where the next page begins; nothing on the last one.
    pub next: Option<Cursor>,
    /// How many fit the filter in all, if asked for.
    pub total: Option<u64>,
}

/// A place in a list. As text it is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the entry before was made.
    pub created_at: Time,
    /// Which entry that was.
    pub id: Uuid,
}

/// The text is not a cursor this server handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list: take next_cursor from the page before")]
pub struct BadCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the cast keeps the bits: times before 1970 come back as they were
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
