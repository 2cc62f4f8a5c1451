//! The generic cell rate algorithm (ITU-T I.371, annex A), as a pure function.
//!
//! A bucket is one number: the moment at which everything admitted so far will have been paid for at the steady
//! rate (its *theoretical arrival time*). A request is admitted while that moment is at most a burst ahead of now.
//! Times are nanoseconds on any one clock.

use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// A number of requests per period, all of which may come at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    /// Cost of a request in nanoseconds: the pause between two of them at the steady rate, rounded up.
    interval: i64,
}

/// State of a limit after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests that may come at once after a pause.
    pub limit: u32,
    /// Requests that may come now.
    pub remaining: u32,
    /// Time until the limit is fully available again.
    pub reset: Duration,
    /// Time until the next request is admitted; `None` if this one was.
    pub retry_after: Option<Duration>,
}

impl Rate {
    /// A rate of `requests` per minute.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self::new(requests, 60 * SECOND)
    }

    /// A rate of `requests` per hour.
    #[must_use]
    pub fn per_hour(requests: u32) -> Self {
        Self::new(requests, 3_600 * SECOND)
    }

    /// A rate and a burst `factor` times as high.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        let interval = self.interval / i64::from(factor.max(1));
        Self { burst: self.burst.saturating_mul(factor), interval: interval.max(1) }
    }

    fn new(burst: u32, period: u64) -> Self {
        // with an empty burst nothing is ever admitted, whatever it costs
        Self { burst, interval: period.div_ceil(u64::from(burst.max(1))).cast_signed() }
    }

    /// Cost of one request, in nanoseconds.
    pub(super) fn interval(self) -> i64 {
        self.interval
    }

    /// Cost of a whole burst, in nanoseconds.
    fn span(self) -> i64 {
        self.interval.saturating_mul(i64::from(self.burst))
    }

    /// Decides on a request at `now`, and advances the bucket's `tat` if it is admitted.
    ///
    /// In any period `t` at most `burst + t / interval` requests are admitted. Debts beyond a second burst are
    /// dropped: they stem from nodes that did not know of each other yet, or from a clock that was set back, and
    /// neither may lock anybody out for longer than two bursts take.
    pub fn admit(self, tat: &mut i64, now: i64) -> Standing {
        let (span, interval) = (self.span(), self.interval);
        let lead = tat.saturating_sub(now).clamp(0, span.saturating_mul(2));
        let after = lead.saturating_add(interval);
        if after > span {
            *tat = now.saturating_add(lead);
            return self.standing(lead, Some(nanos(after - span)));
        }
        *tat = now.saturating_add(after);
        self.standing(after, None)
    }

    fn standing(self, lead: i64, retry_after: Option<Duration>) -> Standing {
        let left = (self.span() - lead).max(0) / self.interval;
        let remaining = u32::try_from(left).unwrap_or(u32::MAX);
        Standing { limit: self.burst, remaining, reset: nanos(lead), retry_after }
    }
}

impl Standing {
    /// The one of both with fewer remaining requests.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        if other.remaining < self.remaining { other } else { self }
    }
}

fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.max(0).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_767_225_600 * SECOND.cast_signed();

    fn admitted(rate: Rate, tat: &mut i64, now: i64) -> bool {
        rate.admit(tat, now).retry_after.is_none()
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_a_burst_and_what_the_rate_gives(
            burst in 1_u32..50,
            period in 1_u64..10_000,
            steps in prop::collection::vec(0_i64..500, 1..400),
        ) {
            let rate = Rate::new(burst, period);
            let (mut tat, mut now, mut times) = (0, START, Vec::new());
            for step in steps {
                now += step;
                if admitted(rate, &mut tat, now) {
                    times.push(now);
                }
            }
            for (from, first) in times.iter().enumerate() {
                for (to, last) in times.iter().enumerate().skip(from) {
                    let most = i64::from(burst) + (last - first) / rate.interval;
                    prop_assert!((to - from + 1) as i64 <= most, "{} in {}", to - from + 1, last - first);
                }
            }
        }

        #[test]
        fn who_keeps_to_the_rate_is_never_refused(burst in 1_u32..1_000, slack in 0_i64..1_000) {
            let rate = Rate::per_minute(burst);
            let (mut tat, mut now) = (0, START);
            for _ in 0..200 {
                prop_assert!(admitted(rate, &mut tat, now));
                now += rate.interval + slack;
            }
        }

        #[test]
        fn after_retry_after_and_not_before_the_next_one_is_taken(burst in 1_u32..100, spent in 0_usize..300) {
            let rate = Rate::per_minute(burst);
            let mut tat = 0;
            for _ in 0..spent.max(burst as usize) {
                admitted(rate, &mut tat, START);
            }
            let wait = rate.admit(&mut tat, START).retry_after.unwrap().as_nanos() as i64;
            prop_assert!(!admitted(rate, &mut tat.clone(), START + wait - 1));
            prop_assert!(admitted(rate, &mut tat, START + wait));
        }

        #[test]
        fn a_clock_set_back_locks_nobody_out_for_longer_than_two_bursts(back in 0_i64..i64::MAX / 2) {
            let rate = Rate::per_minute(10);
            let mut tat = START;
            admitted(rate, &mut tat, START);
            let now = START - back;
            admitted(rate, &mut tat, now);
            prop_assert!(admitted(rate, &mut tat, now + 2 * rate.span()));
        }
    }

    #[test]
    fn a_burst_is_taken_at_once_and_told_as_it_shrinks() {
        let rate = Rate::per_hour(3);
        let mut tat = 0;
        let hour = Duration::from_secs(3_600);
        for (remaining, thirds) in [(2, 1), (1, 2), (0, 3)] {
            let expected = Standing { limit: 3, remaining, reset: hour * thirds / 3, retry_after: None };
            assert_eq!(rate.admit(&mut tat, START), expected);
        }
        let refused = Standing { limit: 3, remaining: 0, reset: hour, retry_after: Some(hour / 3) };
        assert_eq!(rate.admit(&mut tat, START), refused);
        assert_eq!(rate.admit(&mut tat, START), refused, "a refusal costs nothing");
    }

    #[test]
    fn nothing_an_hour_is_nothing_and_the_greatest_rate_does_not_overflow() {
        assert!(!admitted(Rate::per_hour(0), &mut 0, START));
        let rate = Rate::per_minute(u32::MAX);
        let mut tat = i64::MAX;
        rate.admit(&mut tat, START);
        assert_eq!(rate.admit(&mut 0, START).remaining, u32::MAX - 1);
    }
}
