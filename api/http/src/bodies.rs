//! Limits on request bodies under way: memory for all together, and time for each.
//!
//! The node reads a body before it knows who sends it: a carrier's body is signed, a login carries its password. So
//! a body is bounded before it is trusted. What most requests need is free; larger bodies draw on one budget for
//! the whole node, and return their share when the request has been served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

/// Bytes of each body that do not count: enough for a webhook or a command. The number of connections bounds these.
const FREE: usize = 16 << 10;

/// The node's budget for bodies, and how long a body may take.
#[derive(Debug)]
pub struct Bodies {
    budget: usize,
    /// Longest pause of a sender in the middle of a body.
    pub(super) silence: Duration,
    /// Longest time for a whole body.
    pub(super) whole: Duration,
    held: AtomicUsize,
}

impl Bodies {
    /// `budget` is in bytes, for all bodies together.
    #[must_use]
    pub fn new(budget: usize, silence: Duration, whole: Duration) -> Self {
        Self { budget, silence, whole, held: AtomicUsize::new(0) }
    }

    fn take(&self, more: usize) -> bool {
        let within = |held: usize| held.checked_add(more).filter(|held| *held <= self.budget);
        let taken = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within);
        if let Ok(before) = taken {
            metrics::gauge!(domain::metrics::HTTP_BODY_BYTES_HELD).set((before + more) as f64);
        }
        taken.is_ok()
    }

    /// Bytes of the budget in use.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// One body's share of the budget.
#[derive(Debug)]
pub(super) struct BudgetShare {
    of: Arc<Bodies>,
    bytes: usize,
}

impl BudgetShare {
    pub(super) fn nothing(of: Arc<Bodies>) -> Self {
        Self { of, bytes: 0 }
    }

    /// Takes what a body of this length needs; `false` when the budget has no room for it.
    #[must_use]
    pub(super) fn grow(&mut self, length: usize) -> bool {
        let more = length.saturating_sub(FREE).saturating_sub(self.bytes);
        let taken = more == 0 || self.of.take(more);
        if taken {
            self.bytes += more;
        }
        taken
    }

    /// Ties the share to the body: it returns to the budget once no part of the body is in use.
    pub(super) fn keep(self, body: Bytes) -> Bytes {
        if self.bytes == 0 { body } else { Bytes::from_owner(Kept { body, _held: self }) }
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let before = self.of.held.fetch_sub(self.bytes, Ordering::Relaxed);
            metrics::gauge!(domain::metrics::HTTP_BODY_BYTES_HELD).set((before - self.bytes) as f64);
        }
    }
}

struct Kept {
    body: Bytes,
    _held: BudgetShare,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_free_part_comes_out_of_the_budget_and_goes_back_into_it() {
        let bodies = Arc::new(Bodies::new(1_000, Duration::ZERO, Duration::ZERO));
        let mut one = BudgetShare::nothing(bodies.clone());
        assert!(one.grow(FREE) && one.grow(FREE + 600));
        let mut other = BudgetShare::nothing(bodies.clone());
        assert!(other.grow(FREE), "small bodies always get through");
        assert!(!other.grow(FREE + 401) && other.grow(FREE + 400));
        assert_eq!(bodies.held(), 1_000);
        let body = one.keep(Bytes::from_static(b"body"));
        let part = body.slice(1..2);
        drop((body, other));
        assert_eq!(bodies.held(), 600, "a part is still there");
        assert_eq!(&part[..], b"o");
        drop(part);
        assert_eq!(bodies.held(), 0);
    }
}
