//! The steps of a node's end: each has a limit, whatever the stores do.

use std::time::Duration;

use tokio::time::Instant;

/// How long everything takes at most once no request is under way any more.
const ALL_STEPS: Duration = Duration::from_secs(15);

/// Whether a node ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything was finished and closed.
    WithEverythingDone,
    /// Something had no answer and was left; the log has what was acknowledged, and the next start goes on from it.
    CutShort,
}

/// Steps that share what time there is.
#[derive(Debug)]
pub(super) struct Farewell {
    until: Option<Instant>,
    ended: Ended,
}

impl Farewell {
    pub(super) const fn new() -> Self {
        Self { until: None, ended: Ended::WithEverythingDone }
    }

    /// Does a step for at most `limit`, and no longer than all steps may take since the first one with
    /// [`in_time`](Self::in_time).
    pub(super) async fn within<T>(
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

    /// Does a step in what is left of the time for all of them.
    pub(super) async fn in_time<T>(
        &mut self,
        name: &'static str,
        step: impl Future<Output = T>,
    ) -> Option<T> {
        let until = *self.until.get_or_insert_with(|| Instant::now() + ALL_STEPS);
        // a store that is fine closes at once: whoever comes last still gets a chance
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(500));
        self.within(left.min(ALL_STEPS / 3), name, step).await
    }

    pub(super) fn ended(self) -> Ended {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_step_that_hangs_is_left_and_told_of() {
        let mut farewell = Farewell::new();
        assert_eq!(farewell.within(Duration::from_secs(9), "one", ready(1)).await, Some(1));
        assert_eq!(farewell.within(Duration::from_millis(1), "two", pending::<u8>()).await, None);
        assert_eq!(farewell.in_time("three", ready(3)).await, Some(3));
        assert_eq!(farewell.ended(), Ended::CutShort);
    }
}
