//! When a delivery is attempted again.

use std::time::Duration;

use uuid::Uuid;

use crate::envelope::Time;

/// The longest wait a receiver may ask for by `Retry-After`: 24 hours.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Jitter: the share of a delay that is added or taken off at most.
const SPREAD: f64 = 0.2;

/// The delays before the second, third, … attempt. The first attempt is made at once; after the
/// last there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Schedule {
    /// A schedule with these delays.
    #[must_use]
    pub fn new(delays: Vec<Duration>) -> Self {
        Self(delays)
    }

    /// Number of attempts in all.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// How long to wait after attempt `round` of a delivery failed; `None` when it was the last one.
    ///
    /// Jitter of up to a fifth either way, derived from the delivery's id, spreads deliveries that failed
    /// together. A longer wait that the receiver asks for is kept.
    #[must_use]
    pub fn delay(&self, round: u32, spread: Uuid, wish: Option<Duration>) -> Option<Duration> {
        let at = usize::try_from(round.max(1) - 1).ok()?;
        let delay = self.0.get(at)?.mul_f64(1.0 + SPREAD * share(spread, round));
        Some(wish.map_or(delay, |wish| wish.min(MAX_RETRY_AFTER).max(delay)))
    }
}

impl Default for Schedule {
    /// 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h, 10 h, 12 h: ten attempts within some 30 hours.
    fn default() -> Self {
        let seconds = [5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 43_200];
        Self(seconds.into_iter().map(Duration::from_secs).collect())
    }
}

/// A number from -1 to 1, evenly spread over ids, and another one for each attempt.
fn share(spread: Uuid, round: u32) -> f64 {
    let hash = Uuid::new_v5(&spread, &round.to_be_bytes());
    let word =
        u32::from_be_bytes([hash.as_bytes()[0], hash.as_bytes()[1], hash.as_bytes()[2], hash.as_bytes()[3]]);
    f64::from(word) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// What a receiver's `Retry-After` asks for, in whole seconds; see [`crate::retry_after::retry_after`].
#[must_use]
pub fn retry_after(text: &str, now: Time) -> Option<Duration> {
    let wait = crate::retry_after::retry_after(text, now)?;
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::calls::at;

    #[test]
    fn there_are_ten_attempts_within_a_day_and_a_quarter() {
        let schedule = Schedule::default();
        assert_eq!(schedule.attempts(), 10);
        let delays: Vec<_> = (1..=10).map(|round| schedule.delay(round, Uuid::nil(), None)).collect();
        assert!(delays[..9].iter().all(Option::is_some) && delays[9].is_none());
        let plain: u64 = schedule.0.iter().map(Duration::as_secs).sum();
        assert_eq!(plain, 5 + 30 + 120 + 600 + 1_800 + 7_200 + 18_000 + 36_000 + 43_200);
    }

    #[test]
    fn a_receivers_wish_is_kept_when_it_is_longer_but_not_for_ever() {
        let schedule = Schedule::default();
        let after = |seconds| schedule.delay(1, Uuid::nil(), Some(Duration::from_secs(seconds))).unwrap();
        assert_eq!(after(100), Duration::from_secs(100));
        assert!(after(1) >= Duration::from_secs(4));
        assert_eq!(after(10_000_000), MAX_RETRY_AFTER);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = chrono::DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 1.2 ", now), Some(Duration::from_secs(2)));
        assert_eq!(retry_after("Thu, 01 Jan 2026 00:01:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Thursday, 01-Jan-26 00:01:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Thu Jan  1 00:01:00 2026", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Wed, 31 Dec 2025 00:01:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999999999999999", now), Some(MAX_RETRY_AFTER));
        for bad in ["", "soon", "-1", "1e9", ".", "1.2.3", "NaN", "inf"] {
            assert_eq!(retry_after(bad, at(0)), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_delay_is_within_a_fifth_of_what_the_schedule_says(id: u128, round in 1u32..=9) {
            let schedule = Schedule::default();
            let plain = schedule.0[round as usize - 1];
            let delay = schedule.delay(round, Uuid::from_u128(id), None).unwrap();
            prop_assert!(delay >= plain.mul_f64(0.799) && delay <= plain.mul_f64(1.201), "{delay:?}");
            prop_assert_eq!(schedule.delay(round, Uuid::from_u128(id), None), Some(delay));
        }

        #[test]
        fn no_header_makes_us_wait_for_ever_or_fail(text in "\\PC*") {
            if let Some(wish) = retry_after(&text, at(0)) {
                prop_assert!(wish <= MAX_RETRY_AFTER);
            }
        }
    }

    #[test]
    fn deliveries_that_fail_together_do_not_come_back_together() {
        let schedule = Schedule::default();
        let delays: std::collections::BTreeSet<_> =
            (0..1_000).map(|n| schedule.delay(3, Uuid::from_u128(n), None).unwrap()).collect();
        assert!(delays.len() > 990);
        let mean = delays.iter().map(Duration::as_secs_f64).sum::<f64>() / delays.len() as f64;
        assert!((mean - 120.0).abs() < 2.0, "{mean}");
    }
}
