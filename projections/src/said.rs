//! Pages of transcripts and messages, in the order they were said.

use domain::envelope::Time;
use serde::{Deserialize, Serialize};

use crate::page::{MAX_PAGE, Order};

/// The place of a line or message in the order it was said. Its number `seq` follows the order of arrival; an
/// entry that arrives late is placed before the ones said later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// For a late arrival the number of the first entry said later; otherwise its own number.
    pub before: u32,
    /// When it was said, in microseconds since 1970; orders entries with the same `before`.
    pub at: i64,
    /// Number of the entry, from 1, in the order of arrival.
    pub seq: u32,
}

impl Place {
    /// A place before all others.
    pub const FIRST: Self = Self { before: 0, at: i64::MIN, seq: 0 };
    /// A place behind all others.
    pub const LAST: Self = Self { before: u32::MAX, at: i64::MAX, seq: u32::MAX };

    /// The place of entry `seq`, said at `at`. `before` is the first entry said later, for a late arrival.
    #[must_use]
    pub fn of(seq: u32, before: Option<u32>, at: Time) -> Self {
        Self { before: before.unwrap_or(seq), at: at.timestamp_micros(), seq }
    }
}

/// The page of a transcript or conversation that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaidPage {
    /// Most entries of the page; clamped to 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// The place after which the page begins, in the wanted order; `None`: at the beginning.
    pub after: Option<Place>,
    /// Direction of the list; oldest first by default.
    pub order: Order,
}

impl Default for SaidPage {
    fn default() -> Self {
        Self { limit: MAX_PAGE, after: None, order: Order::Asc }
    }
}

/// A page of a transcript or conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidRows {
    /// The entries, each as finished JSON.
    pub items: Vec<String>,
    /// The place after which the next page begins; `None` on the last page.
    pub next: Option<Place>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_late_stands_before_what_was_said_later() {
        let at = |second| Time::from_timestamp(second, 0).unwrap_or_default();
        let told = [
            Place::of(1, None, at(1)),
            Place::of(2, None, at(9)),
            Place::of(3, Some(2), at(5)),
            Place::of(4, Some(2), at(7)),
            Place::of(5, None, at(3)),
        ];
        let mut said = told;
        said.sort();
        assert_eq!(said.map(|place| place.seq), [1, 3, 4, 2, 5]);
        assert!(said.iter().all(|place| Place::FIRST < *place && *place < Place::LAST));
    }
}
