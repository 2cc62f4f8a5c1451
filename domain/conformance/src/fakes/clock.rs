//! A clock that stands still until a test moves it.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::watch;

use domain::envelope::Time;
use domain::ports::clock::Clock;

/// Virtual time: whole days pass in milliseconds, and only when a test says so. Its wall clock can be
/// [set](Self::set) both ways while its monotonic one stands still.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    reading: watch::Sender<Reading>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: Time,
    /// Time since `start`, without jumps.
    passed: Duration,
}

impl ManualClock {
    /// A clock standing at `start`, cut to the microsecond.
    #[must_use]
    pub fn at(start: Time) -> Self {
        let reading = Reading { wall: to_the_microsecond(start), passed: Duration::ZERO };
        Self { start: Instant::now(), reading: watch::Sender::new(reading) }
    }

    /// Lets `step` pass and wakes every sleeper whose time has come.
    pub fn advance(&self, step: Duration) {
        self.reading.send_modify(|reading| {
            reading.wall = to_the_microsecond(reading.wall + step);
            reading.passed += step;
        });
    }

    /// Sets the wall clock to `to`, forward or back, as the correction of a machine's clock does: no time passes.
    pub fn set(&self, to: Time) {
        self.reading.send_modify(|reading| reading.wall = to_the_microsecond(to));
    }

    /// Moves the wall clock by `by`; below zero, back.
    pub fn jump(&self, by: chrono::TimeDelta) {
        self.set(self.now() + by);
    }

    /// Number of sleepers on this clock: lets a test wait until the code under test has reached its timer.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.reading.receiver_count()
    }
}

impl Default for ManualClock {
    /// The clock begins at 2026-01-01T00:00:00Z, a Thursday.
    fn default() -> Self {
        Self::at(Time::from_timestamp_micros(1_767_225_600_000_000).unwrap_or_default())
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Time {
        self.reading.borrow().wall
    }

    fn monotonic(&self) -> Instant {
        self.start + self.reading.borrow().passed
    }

    async fn sleep(&self, length: Duration) {
        let mut reading = self.reading.subscribe();
        let until = reading.borrow().passed + length;
        // the sender lives in `self`, so waiting cannot fail
        let _ = reading.wait_for(|reading| reading.passed >= until).await;
    }

    async fn sleep_until(&self, at: Time) {
        let _ = self.reading.subscribe().wait_for(|reading| reading.wall >= at).await;
    }
}

fn to_the_microsecond(time: Time) -> Time {
    Time::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use domain::ports::clock::JumpMeter;

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

    #[tokio::test]
    async fn what_lasts_is_not_prolonged_by_a_clock_set_back_nor_cut_short_by_one_set_forward() {
        let clock = ManualClock::default();
        let (began, mut sleeper) = (clock.monotonic(), clock.sleep(Duration::from_secs(30)));
        assert!((&mut sleeper).now_or_never().is_none());
        clock.jump(chrono::TimeDelta::days(2));
        assert!((&mut sleeper).now_or_never().is_none());
        clock.jump(chrono::TimeDelta::days(-3));
        clock.advance(Duration::from_secs(30));
        assert!(sleeper.now_or_never().is_some());
        assert_eq!(clock.monotonic() - began, Duration::from_secs(30));
    }

    #[test]
    fn a_jump_is_told_from_time_that_passes() {
        let clock = ManualClock::default();
        let mut meter = JumpMeter::new(&clock);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(meter.jump(&clock), None);
        clock.jump(chrono::TimeDelta::days(-1));
        assert_eq!(meter.jump(&clock), Some(chrono::TimeDelta::days(-1)));
        assert_eq!(meter.steady(&clock), clock.now() + chrono::TimeDelta::days(1));
        meter.settle(chrono::TimeDelta::days(-1));
        assert_eq!((meter.jump(&clock), meter.steady(&clock)), (None, clock.now()));
    }
}
