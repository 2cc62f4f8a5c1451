//! Pauses that grow while something keeps failing.

use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration) -> Self {
        Self { first, next: first }
    }

    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    /// Sleeps, twice as long each time, up to `LONGEST`, until [`Backoff::reset`].
    pub(super) async fn pause(&mut self) {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        tokio::time::sleep(pause).await;
    }
}
