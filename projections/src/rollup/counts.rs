//! Named counts and distributions, and the hours and days they are added up in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DurationRound as _, TimeDelta};
use domain::envelope::{Position, Time};
use domain::ids::ClientId;
use uuid::Uuid;

use super::sketch::Sketch;
use crate::view::Row;

/// Name of a count: `calls`, or followed by the value of a closed set, such as `end:caller_hangup:none`.
type Name = Cow<'static, str>;

pub type Numbers = BTreeMap<Name, i64>;

pub type Sketches = BTreeMap<Name, Sketch>;

/// Counts and distributions by name. A zero is left out, so that equal sums are equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    numbers: Numbers,
    sketches: Sketches,
}

impl Counts {
    /// Counts as they were stored.
    #[must_use]
    pub fn stored(numbers: Numbers, sketches: Sketches) -> Self {
        Self { numbers, sketches }
    }

    /// The counts, to be stored.
    #[must_use]
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The distributions, to be stored.
    #[must_use]
    pub fn sketches(&self) -> &Sketches {
        &self.sketches
    }

    /// Adds to a count.
    pub fn number(&mut self, name: impl Into<Name>, by: i64) {
        if by != 0 {
            *self.numbers.entry(name.into()).or_default() += by;
        }
    }

    /// Adds one to a count.
    pub fn one(&mut self, name: impl Into<Name>) {
        self.number(name, 1);
    }

    /// Adds a value to the count and to the distribution of the same name.
    pub fn value(&mut self, name: &'static str, value: u64) {
        self.number(name, i64::try_from(value).unwrap_or(i64::MAX));
        self.sketches.entry(name.into()).or_default().record(value);
    }

    /// Adds other counts `times` times; -1 takes them back.
    pub fn add(&mut self, other: &Self, times: i64) {
        for (name, by) in &other.numbers {
            let by = by * times;
            match self.numbers.get_mut(name) {
                Some(number) => {
                    *number += by;
                    if *number == 0 {
                        self.numbers.remove(name);
                    }
                }
                None if by != 0 => drop(self.numbers.insert(name.clone(), by)),
                None => {}
            }
        }
        for (name, sketch) in &other.sketches {
            let mine = self.sketches.entry(name.clone()).or_default();
            mine.add(sketch, times);
            if mine.is_empty() {
                self.sketches.remove(name);
            }
        }
    }

    /// Whether nothing is counted, or everything was taken back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.sketches.is_empty()
    }

    /// A count; 0 if nothing was counted under the name.
    #[must_use]
    pub fn get(&self, name: &str) -> i64 {
        self.numbers.get(name).copied().unwrap_or(0)
    }

    /// The counts whose names begin with `family` and a colon, each with the rest of its name.
    pub fn family<'c>(&'c self, family: &'c str) -> impl Iterator<Item = (&'c str, i64)> + 'c {
        let after = move |name: &'c str| name.strip_prefix(family)?.strip_prefix(':');
        self.numbers.iter().filter_map(move |(name, number)| Some((after(name)?, *number)))
    }

    /// A distribution; `None` if no value was recorded in it.
    #[must_use]
    pub fn sketch(&self, name: &str) -> Option<&Sketch> {
        self.sketches.get(name)
    }
}

/// The view that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// Calls, counted by agent.
    Calls,
    /// Steps of callers in IVR menus, counted by menu.
    Ivr,
    /// Attempts to deliver webhooks, counted by endpoint.
    Webhooks,
    /// Conversations, counted by agent.
    Conversations,
}

impl Counted {
    pub const ALL: [Self; 4] = [Self::Calls, Self::Ivr, Self::Webhooks, Self::Conversations];

    /// Name of the view, for example `ivr_sessions`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Ivr => "ivr_sessions",
            Self::Webhooks => "webhook_endpoints",
            Self::Conversations => "conversations",
        }
    }

    /// The variant for a view's name; `None` when that view counts nothing.
    #[must_use]
    pub fn of_view(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|counted| counted.as_str() == name)
    }
}

/// The length of time that a sum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// One hour of UTC.
    Hour,
    /// One day of UTC.
    Day,
}

impl Span {
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// Name in the API: `hour` or `day`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    #[must_use]
    pub const fn length(self) -> TimeDelta {
        match self {
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::days(1),
        }
    }

    /// Begin of the hour or day that contains `at`.
    #[must_use]
    pub fn begin(self, at: Time) -> Time {
        at.duration_trunc(self.length()).unwrap_or(at)
    }
}

/// What a sum is kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RollupKey {
    pub counted: Counted,
    pub client: ClientId,
    pub span: Span,
    /// Begin of the hour or day.
    pub bucket: Time,
    /// Id of the agent, menu or endpoint; the nil UUID for none.
    pub subject: Uuid,
}

/// The sum of one hour or day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup {
    pub key: RollupKey,
    /// Position of the last event that changed it.
    pub position: Position,
    pub counts: Counts,
}

impl Row for Rollup {
    type Key = RollupKey;

    fn key(&self) -> RollupKey {
        self.key
    }
}

/// What a row or a fact adds to the sums of its hour and of its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    pub client: ClientId,
    /// When it happened, which decides the hour and the day.
    pub at: Time,
    /// Id of the agent, menu or endpoint; `None` for none.
    pub subject: Option<Uuid>,
    pub counts: Counts,
}

impl Contribution {
    /// The keys of the two sums it is added to: its hour and its day.
    pub(super) fn keys(&self, counted: Counted) -> [RollupKey; 2] {
        Span::ALL.map(|span| RollupKey {
            counted,
            client: self.client,
            span,
            bucket: span.begin(self.at),
            subject: self.subject.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_to_nothing_leaves_nothing() {
        let mut counts = Counts::default();
        counts.one("calls");
        counts.value("duration_ms", 1_234);
        let whole = counts.clone();
        counts.add(&whole, 1);
        assert_eq!((counts.get("calls"), counts.get("duration_ms")), (2, 2_468));
        counts.add(&whole, -2);
        assert!(counts.is_empty());
        assert_eq!(counts, Counts::default());
    }

    #[test]
    fn families_are_told_apart() {
        let mut counts = Counts::default();
        for name in ["end:busy:none", "end:unknown:platform", "ended", "endless:x"] {
            counts.one(name);
        }
        let family: Vec<_> = counts.family("end").collect();
        assert_eq!(family, [("busy:none", 1), ("unknown:platform", 1)]);
    }

    #[test]
    fn hours_and_days_begin_in_utc() {
        let at: Time = "2026-11-21T17:59:59.999999Z".parse().unwrap();
        assert_eq!(Span::Hour.begin(at), "2026-11-21T17:00:00Z".parse::<Time>().unwrap());
        assert_eq!(Span::Day.begin(at), "2026-11-21T00:00:00Z".parse::<Time>().unwrap());
    }
}
