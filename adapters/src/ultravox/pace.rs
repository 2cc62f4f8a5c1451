//! The pace that an account allows: so many requests within each of some windows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Sliding windows over the moments at which something was sent. Callers pass the current moment.
#[derive(Debug)]
pub(super) struct Pace {
    /// Most requests within each length of time.
    windows: Vec<(usize, Duration)>,
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
    pub(super) fn new(windows: impl IntoIterator<Item = (usize, Duration)>) -> Self {
        let windows = windows.into_iter().map(|(most, length)| (most.max(1), length)).collect();
        Self { windows, inner: Mutex::default() }
    }

    /// Takes up a place now. An error holds how long to wait before asking again.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut inner = self.inner.lock();
        let held = inner.held_until.map(|until| until.saturating_duration_since(now));
        let full = self.windows.iter().map(|(most, length)| {
            let nth = inner.sent.len().checked_sub(*most).and_then(|at| inner.sent.get(at));
            nth.map_or(Duration::ZERO, |at| (*at + *length).saturating_duration_since(now))
        });
        let wait = full.chain(held).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        inner.held_until = None;
        inner.sent.push_back(now);
        let most = self.windows.iter().map(|(most, _)| *most).max().unwrap_or(0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_ever_holds_more_than_it_may() {
        let pace = Pace::new([(2, Duration::from_secs(1)), (3, Duration::from_secs(60))]);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((pace.take(at(0)), pace.take(at(100))), (Ok(()), Ok(())));
        assert_eq!(pace.take(at(200)), Err(Duration::from_millis(800)));
        assert_eq!(pace.take(at(1_000)), Ok(()));
        // the minute is full, whatever the second says
        assert_eq!(pace.take(at(5_000)), Err(Duration::from_secs(55)));
        assert_eq!(pace.take(at(60_000)), Ok(()));
        assert_eq!(pace.take(at(60_050)), Err(Duration::from_millis(50)));
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_and_never_shortened() {
        let pace = Pace::new([(9, Duration::from_secs(1))]);
        let now = Instant::now();
        pace.hold(now, Duration::from_secs(7));
        pace.hold(now, Duration::from_secs(2));
        assert_eq!(pace.take(now + Duration::from_secs(4)), Err(Duration::from_secs(3)));
        assert_eq!(pace.take(now + Duration::from_secs(7)), Ok(()));
    }
}
