//! What can be asked of the sums.

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use uuid::Uuid;

use crate::tally::{Counted, Span, Tally};

/// The most sums read for one answer; with a kilobyte each, some tens of megabytes.
pub const MOST_TALLIES: usize = 40_000;

/// A stretch of hours or days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Sums over how long.
    pub span: Span,
    /// The first one begins then or later.
    pub from: Time,
    /// The last one begins before.
    pub to: Time,
}

/// A time that is looked at, in whole hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    from: Time,
    to: Time,
}

impl Period {
    /// The hours that hold any of the time between the two. `None` if there is no time between them.
    #[must_use]
    pub fn between(from: Time, to: Time) -> Option<Self> {
        let begin = Span::Hour.begin(to);
        let end = if begin == to { to } else { begin + Span::Hour.length() };
        (from < to).then_some(Self { from: Span::Hour.begin(from), to: end })
    }

    /// When it begins.
    #[must_use]
    pub fn from(self) -> Time {
        self.from
    }

    /// When it ends.
    #[must_use]
    pub fn to(self) -> Time {
        self.to
    }

    /// The same in as few sums as can be: hours up to a midnight, days, hours again.
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

/// Which sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Who counts them.
    pub counted: Counted,
    /// From when to when.
    pub range: Range,
    /// Of what alone; of everything, if `None`.
    pub subject: Option<Uuid>,
    /// Whether with their distributions, which are most of what there is to read.
    pub sketches: bool,
}

/// Reads sums. The runner keeps them as fresh as the rows of the view that counts.
#[async_trait]
pub trait AnalyticsQueries {
    /// A client's sums, the earliest first; one more than [`MOST_TALLIES`] if there are more.
    async fn tallies(&self, client: ClientId, wanted: Wanted) -> Result<Vec<Tally>, StoreUnavailable>;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
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
