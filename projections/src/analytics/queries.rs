//! Queries of the sums.

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use uuid::Uuid;

use crate::rollup::{Counted, Rollup, Span};

/// Most sums read for one answer; at a kilobyte each, some tens of megabytes.
pub const MOST_ROLLUPS: usize = 40_000;

/// A range of hourly or daily sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Whether the sums are hourly or daily.
    pub span: Span,
    /// The first sum begins at this time or later.
    pub from: Time,
    /// The last sum begins before this time.
    pub to: Time,
}

/// The period of a query, in whole hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    from: Time,
    to: Time,
}

impl Period {
    /// The whole hours that overlap the time between the two. `None` when `from` is not before `to`.
    #[must_use]
    pub fn between(from: Time, to: Time) -> Option<Self> {
        let begin = Span::Hour.begin(to);
        let end = if begin == to { to } else { begin + Span::Hour.length() };
        (from < to).then_some(Self { from: Span::Hour.begin(from), to: end })
    }

    /// When the period begins, at a full hour.
    #[must_use]
    pub fn from(self) -> Time {
        self.from
    }

    /// When the period ends, at a full hour; not included.
    #[must_use]
    pub fn to(self) -> Time {
        self.to
    }

    /// The ranges that cover the period with the fewest sums: hours up to a midnight, days, hours again.
    #[must_use]
    pub fn ranges(self) -> Vec<Range> {
        let day = Span::Day.begin(self.from);
        let first = if day == self.from { day } else { day + Span::Day.length() };
        let last = Span::Day.begin(self.to);
        if first >= last {
            return vec![Range { span: Span::Hour, from: self.from, to: self.to }];
        }
        let ranges = [
            Range { span: Span::Hour, from: self.from, to: first },
            Range { span: Span::Day, from: first, to: last },
            Range { span: Span::Hour, from: last, to: self.to },
        ];
        ranges.into_iter().filter(|range| range.from < range.to).collect()
    }
}

/// The sums that a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub counted: Counted,
    pub range: Range,
    /// Only sums of this agent, menu or endpoint; `None`: of all.
    pub subject: Option<Uuid>,
    /// Whether to read the distributions too, which are most of the data.
    pub sketches: bool,
}

/// Queries of the sums. The runner keeps them as current as the rows of the view that counts.
#[async_trait]
pub trait AnalyticsQueries {
    /// A client's sums, the earliest first; one more than [`MOST_ROLLUPS`] when there are more.
    async fn rollups(&self, client: ClientId, wanted: Wanted) -> Result<Vec<Rollup>, StoreUnavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(from: &str, to: &str) -> Vec<(&'static str, String, String)> {
        let period = Period::between(from.parse().unwrap(), to.parse().unwrap()).unwrap();
        let text = |time: Time| time.format("%dT%H").to_string();
        let one = |range: Range| (range.span.as_str(), text(range.from), text(range.to));
        period.ranges().into_iter().map(one).collect()
    }

    #[test]
    fn a_period_is_read_in_as_few_sums_as_can_be() {
        let hours = |from: &str, to: &str| ("hour", from.to_owned(), to.to_owned());
        let days = |from: &str, to: &str| ("day", from.to_owned(), to.to_owned());
        assert_eq!(ranges("2026-11-21T09:30:00Z", "2026-11-21T10:00:00Z"), [hours("21T09", "21T10")]);
        assert_eq!(ranges("2026-11-21T09:30:00Z", "2026-11-22T10:00:01Z"), [hours("21T09", "22T11")]);
        assert_eq!(
            ranges("2026-11-20T23:00:00Z", "2026-11-23T01:00:00Z"),
            [hours("20T23", "21T00"), days("21T00", "23T00"), hours("23T00", "23T01")]
        );
        assert_eq!(ranges("2026-11-20T00:00:00Z", "2026-11-23T00:00:00Z"), [days("20T00", "23T00")]);
        let now = "2026-11-20T00:00:00Z".parse().unwrap();
        assert_eq!(Period::between(now, now), None);
    }
}
