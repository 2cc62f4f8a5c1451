//! Time is a port: rules never read a clock, and tests run days in milliseconds.

use std::fmt;

use async_trait::async_trait;

use crate::envelope::Time;

/// The time, and the only way to wait for it.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now, in UTC, cut to the microsecond.
    fn now(&self) -> Time;

    /// Returns once [`Clock::now`] has reached `at`; at once if it already has.
    async fn sleep_until(&self, at: Time);
}
