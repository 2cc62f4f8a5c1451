//! Pages of what was said: lines of a call, messages of a conversation.

use domain::envelope::Time;
use serde::{Deserialize, Serialize};

use crate::page::{MAX_PAGE, Order};

/// Where something stands in the order it was said. Its number is given by when it was told; what was told late stands
/// before what was said later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The number of the first that was said later, if it was told late; otherwise its own.
    pub before: u32,
    /// When it was said, in microseconds since 1970; orders those that stand before the same.
    pub at: i64,
    /// Its own number, from 1.
    pub seq: u32,
}

impl Place {
    /// Before all others.
    pub const FIRST: Self = Self { before: 0, at: i64::MIN, seq: 0 };
    /// Behind all others.
    pub const LAST: Self = Self { before: u32::MAX, at: i64::MAX, seq: u32::MAX };

    /// Of number `seq`, said at `at`, told late if it stands before another.
    #[must_use]
    pub fn of(seq: u32, before: Option<u32>, at: Time) -> Self {
        Self { before: before.unwrap_or(seq), at: at.timestamp_micros(), seq }
    }
}

/// Which of it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaidPage {
    /// At most so many; taken as 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Beyond which place, in the wanted order.
    pub after: Option<Place>,
    /// Which way; it is read oldest first unless somebody says otherwise.
    pub order: Order,
}

impl Default for SaidPage {
    fn default() -> Self {
        Self { limit: MAX_PAGE, after: None, order: Order::Asc }
    }
}

/// A page of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidRows {
    /// Finished JSON.
    pub items: Vec<String>,
    /// What to go on after; `None` on the last page.
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
