//! Time is a port: rules never read a clock, and tests run days in milliseconds.
//!
//! There are two clocks. The *wall clock* says what time it is, for timestamps, schedules and whatever somebody else
//! gave a date; it may jump both ways. The *monotonic* one only runs on, for everything that lasts: pauses, limits,
//! leases, breakers, ages in memory. A wait whose length is known is a [`Clock::sleep`].

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::envelope::Time;

/// The time, and the only way to wait for it.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now, in UTC, cut to the microsecond. It may jump both ways when the machine's clock is corrected.
    fn now(&self) -> Time;

    /// A moment of the monotonic clock, which only runs on whatever is done to the wall clock. Means
    /// nothing outside the process.
    fn monotonic(&self) -> Instant;

    /// Returns once `length` has passed, whatever the wall clock says meanwhile.
    async fn sleep(&self, length: Duration);

    /// Returns once [`Clock::now`] has reached `at`; at once if it already has. Only for a time of day: a clock
    /// that is set forward is noticed within a second, one that is set back prolongs the wait.
    async fn sleep_until(&self, at: Time);
}

/// Measures how far the wall clock has jumped. While the clock is being corrected it runs a little faster or
/// slower than the monotonic one, so less than a second is no jump, but adds up to one.
#[derive(Debug, Clone, Copy)]
pub struct JumpMeter {
    wall: Time,
    monotonic: Instant,
}

impl JumpMeter {
    /// Less than this is a correction, not a jump.
    pub const SMALLEST: TimeDelta = TimeDelta::seconds(1);

    /// Measures from now on.
    #[must_use]
    pub fn new(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// The time as it would be had the wall clock not jumped since the last [`Self::settle`].
    #[must_use]
    pub fn steady(&self, clock: &dyn Clock) -> Time {
        self.wall + clock.monotonic().saturating_duration_since(self.monotonic)
    }

    /// By how much the wall clock has jumped (below zero: back); `None` while it has not.
    #[must_use]
    pub fn jump(&self, clock: &dyn Clock) -> Option<TimeDelta> {
        let by = clock.now() - self.steady(clock);
        (by.abs() >= Self::SMALLEST).then_some(by)
    }

    /// Accepts a jump by `by`: the time after it counts as right from now on.
    pub fn settle(&mut self, by: TimeDelta) {
        self.wall += by;
    }
}
