//! Limits a log line to one per second.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

/// Remembers when the last line was written, and counts those left out.
#[derive(Debug)]
pub(super) struct OnceASecond(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    unsaid: u64,
}

impl OnceASecond {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State { last: None, unsaid: 0 }))
    }

    /// `Some` when a line may be written now, with the number left out since the last one.
    pub(super) fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            state.unsaid += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_a_rush_is_said_once_and_counted() {
        let (due, start) = (OnceASecond::new(), Instant::now());
        assert_eq!(due.due_at(start), Some(0));
        for _ in 0..7 {
            assert_eq!(due.due_at(start + PAUSE / 2), None);
        }
        assert_eq!((due.due_at(start + PAUSE), due.due_at(start + 2 * PAUSE)), (Some(7), Some(0)));
    }
}
