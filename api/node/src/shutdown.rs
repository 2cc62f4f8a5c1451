//! The steps of a node's shutdown, each with a time limit, whatever the stores do.

use std::time::Duration;

use tokio::time::Instant;

/// Time limit for all steps together once no request is in progress any more.
const ALL_STEPS: Duration = Duration::from_secs(15);

/// Whether a node shut down completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything was finished and closed.
    WithEverythingDone,
    /// A step had no answer and was abandoned; the log has what was acknowledged, and the next start continues from it.
    CutShort,
}

/// Shutdown steps that share a time limit.
#[derive(Debug)]
pub struct Shutdown {
    until: Option<Instant>,
    ended: Ended,
}

impl Shutdown {
    pub const fn new() -> Self {
        Self { until: None, ended: Ended::WithEverythingDone }
    }

    /// Runs a step for at most `limit`.
    pub async fn within<T>(
        &mut self,
        limit: Duration,
        name: &'static str,
        step: impl Future<Output = T>,
    ) -> Option<T> {
        let done = tokio::time::timeout(limit, step).await.ok();
        if done.is_none() {
            tracing::error!(step = name, ?limit, "no answer in time while stopping: left as it is");
            self.ended = Ended::CutShort;
        }
        done
    }

    /// Runs a step in the time left for all of them.
    pub async fn in_time<T>(&mut self, name: &'static str, step: impl Future<Output = T>) -> Option<T> {
        let until = *self.until.get_or_insert_with(|| Instant::now() + ALL_STEPS);
        // a working store closes at once, so the last steps still get a chance
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(500));
        self.within(left.min(ALL_STEPS / 3), name, step).await
    }

    pub fn ended(self) -> Ended {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_step_that_hangs_is_left_and_told_of() {
        let mut shutdown = Shutdown::new();
        assert_eq!(shutdown.within(Duration::from_secs(9), "one", ready(1)).await, Some(1));
        assert_eq!(shutdown.within(Duration::from_millis(1), "two", pending::<u8>()).await, None);
        assert_eq!(shutdown.in_time("three", ready(3)).await, Some(3));
        assert_eq!(shutdown.ended(), Ended::CutShort);
    }
}
