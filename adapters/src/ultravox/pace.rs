//! The pace that an account allows: so many requests within each of some windows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Most requests within a length of time.
pub(super) type Window = (usize, Duration);

/// Sliding windows over the moments at which something was sent. The windows may differ from one question to the next.
#[derive(Debug, Default)]
pub(super) struct Pace {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Moments of what was sent, newest last; as many as the largest window counts.
    sent: VecDeque<Instant>,
    /// Nothing is sent before this moment, because the other side asked for a pause.
    held_until: Option<Instant>,
}

impl Pace {
    /// Whether there is a place now. An error holds how long to wait before asking again.
    pub(super) fn room(&self, now: Instant, windows: &[Window]) -> Result<(), Duration> {
        self.inner.lock().room(now, windows)
    }

    /// Takes up a place now. An error holds how long to wait before asking again.
    pub(super) fn take(&self, now: Instant, windows: &[Window]) -> Result<(), Duration> {
        let mut inner = self.inner.lock();
        inner.room(now, windows)?;
        inner.held_until = None;
        inner.sent.push_back(now);
        let most = windows.iter().map(|(most, _)| *most).max().unwrap_or(0).max(1);
        while inner.sent.len() > most {
            inner.sent.pop_front();
        }
        Ok(())
    }

    /// Sends nothing for a while, because the other side asked for it.
    pub(super) fn hold(&self, now: Instant, pause: Duration) {
        let mut inner = self.inner.lock();
        let until = now + pause;
        inner.held_until = Some(inner.held_until.map_or(until, |before| before.max(until)));
    }
}

impl Inner {
    fn room(&self, now: Instant, windows: &[Window]) -> Result<(), Duration> {
        let held = self.held_until.map(|until| until.saturating_duration_since(now));
        let full = windows.iter().map(|(most, length)| {
            let nth = self.sent.len().checked_sub((*most).max(1)).and_then(|at| self.sent.get(at));
            nth.map_or(Duration::ZERO, |at| (*at + *length).saturating_duration_since(now))
        });
        let wait = full.chain(held).max().unwrap_or_default();
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_ever_holds_more_than_it_may() {
        let pace = Pace::default();
        let windows = [(2, Duration::from_secs(1)), (3, Duration::from_secs(60))];
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((pace.take(at(0), &windows), pace.take(at(100), &windows)), (Ok(()), Ok(())));
        assert_eq!(pace.take(at(200), &windows), Err(Duration::from_millis(800)));
        assert_eq!(pace.take(at(1_000), &windows), Ok(()));
        // the minute is full, whatever the second says
        assert_eq!(pace.take(at(5_000), &windows), Err(Duration::from_secs(55)));
        assert_eq!(pace.take(at(60_000), &windows), Ok(()));
        assert_eq!(pace.take(at(60_050), &windows), Err(Duration::from_millis(50)));
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_and_never_shortened() {
        let (pace, windows) = (Pace::default(), [(9, Duration::from_secs(1))]);
        let now = Instant::now();
        pace.hold(now, Duration::from_secs(7));
        pace.hold(now, Duration::from_secs(2));
        assert_eq!(pace.take(now + Duration::from_secs(4), &windows), Err(Duration::from_secs(3)));
        assert_eq!(pace.take(now + Duration::from_secs(7), &windows), Ok(()));
    }
}
