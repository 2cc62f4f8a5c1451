//! The clock of the machine.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ports::clock::Clock;

/// UTC from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter the lint points to")]
    fn now(&self) -> Time {
        let now = chrono::Utc::now();
        Time::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    async fn sleep(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }

    async fn sleep_until(&self, at: Time) {
        // Asked again after each nap: the machine's clock may be corrected meanwhile, the timer's is not.
        while let Ok(left) = (at - self.now()).to_std()
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(LONGEST_NAP)).await;
        }
    }
}

/// How late a sleeper may notice that the machine's clock was set forward.
const LONGEST_NAP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Timelike};

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_at_its_time_and_not_before() {
        let at = SystemClock.now() + TimeDelta::milliseconds(20);
        SystemClock.sleep_until(at).await;
        assert!(SystemClock.now() >= at);
        SystemClock.sleep_until(at).await;
    }

    #[test]
    fn now_is_cut_to_the_microsecond() {
        assert_eq!(SystemClock.now().nanosecond() % 1_000, 0);
    }
}
