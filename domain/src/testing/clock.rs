//! A clock that stands still until a test moves it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::envelope::Time;
use crate::ports::clock::Clock;

/// Virtual time: whole days pass in milliseconds, and only when a test says so.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Time>,
}

impl ManualClock {
    /// A clock standing at `start`, cut to the microsecond.
    #[must_use]
    pub fn at(start: Time) -> Self {
        Self { now: watch::Sender::new(to_the_microsecond(start)) }
    }

    /// Moves time on by `step` and wakes every sleeper whose time has come.
    pub fn advance(&self, step: Duration) {
        self.now.send_modify(|now| *now = to_the_microsecond(*now + step));
    }

    /// Moves time to `to`, also backwards, as a corrected clock does.
    pub fn set(&self, to: Time) {
        self.now.send_modify(|now| *now = to_the_microsecond(to));
    }

    /// How many are asleep on this clock: lets a test wait until the code under test has reached its timer.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.now.receiver_count()
    }
}

impl Default for ManualClock {
    /// 2026-01-01T00:00:00Z, a Thursday.
    fn default() -> Self {
        Self::at(Time::from_timestamp_micros(1_767_225_600_000_000).unwrap_or_default())
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Time {
        *self.now.borrow()
    }

    async fn sleep_until(&self, at: Time) {
        // the sender lives in `self`, so waiting cannot fail
        let _ = self.now.subscribe().wait_for(|now| *now >= at).await;
    }
}

fn to_the_microsecond(time: Time) -> Time {
    Time::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_exactly_when_its_time_has_come() {
        let clock = ManualClock::default();
        let until = clock.now() + Duration::from_secs(30);
        let mut sleeper = clock.sleep_until(until);
        assert!((&mut sleeper).now_or_never().is_none());
        assert_eq!(clock.sleepers(), 1);
        clock.advance(Duration::from_micros(29_999_999));
        assert!((&mut sleeper).now_or_never().is_none());
        clock.advance(Duration::from_micros(1));
        assert!(sleeper.now_or_never().is_some());
        assert!(
            clock.sleep_until(until).now_or_never().is_some(),
            "a time already reached is not waited for"
        );
    }
}
