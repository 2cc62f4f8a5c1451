//! By which time work is due: the node's own, without the jumps of its wall clock.
//!
//! Rows keep due times as wall time, so that another node, or this one after a restart, can go on with them. While a
//! node owns a job it counts on by its monotonic clock; once the wall clock has jumped, everything that is still to
//! come is moved by as much, in one go, and the node counts on from the new time. So a jump neither brings anything
//! forward nor puts it off.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use domain::envelope::Time;
use domain::ports::StoreUnavailable;
use domain::ports::clock::{Clock, JumpMeter};
use tokio::sync::{RwLock, RwLockReadGuard};

/// The time of one job on this node.
#[derive(Debug)]
pub(crate) struct WorkTime {
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    /// Held to write or read rows by their due times; whole while they are moved.
    gate: RwLock<()>,
}

#[derive(Debug)]
struct Known {
    meter: JumpMeter,
    /// The last jump forward: from when, and how far. What was recorded before it is as much younger than it seems.
    forward: Option<(Time, TimeDelta)>,
}

impl WorkTime {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let known = Known { meter: JumpMeter::new(&*clock), forward: None };
        Self { clock, known: Mutex::new(known), gate: RwLock::new(()) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is due by now.
    pub(crate) fn now(&self) -> Time {
        self.known().meter.steady(&*self.clock)
    }

    /// When something is due that is to wait for `after` from when a fact was recorded. A fact is never younger than
    /// nothing: whoever recorded it may have a clock that is ahead.
    pub(crate) fn due(&self, recorded_at: Time, after: TimeDelta) -> Time {
        let known = self.known();
        let recorded_at = match known.forward {
            Some((before, by)) if recorded_at <= before => recorded_at + by,
            _ => recorded_at,
        };
        recorded_at.min(known.meter.steady(&*self.clock)) + after
    }

    /// Sleeps until `until`, on the clock that does not jump.
    pub(crate) async fn sleep_until(&self, until: Time) {
        let left = (until - self.now()).to_std().unwrap_or_default();
        self.clock.sleep(left).await;
    }

    /// To be held from asking what time it is until rows were read or written by it.
    pub(crate) async fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// Has `shift` move all rows if the wall clock has jumped; answers by how much. To be asked at least every second.
    ///
    /// # Errors
    /// When they cannot be moved: then time goes on as if nothing had happened.
    pub(crate) async fn keep_up<F>(
        &self,
        shift: impl FnOnce(TimeDelta) -> F,
    ) -> Result<Option<TimeDelta>, StoreUnavailable>
    where
        F: Future<Output = Result<(), StoreUnavailable>>,
    {
        let jump = |known: &Known| known.meter.jump(&*self.clock);
        if jump(&self.known()).is_none() {
            return Ok(None);
        }
        let _whole = self.gate.write().await;
        let Some(by) = jump(&self.known()) else { return Ok(None) };
        shift(by).await?;
        let mut known = self.known();
        known.forward = (by > TimeDelta::zero()).then(|| (known.meter.steady(&*self.clock), by));
        known.meter.settle(by);
        let seconds = by.as_seconds_f64();
        tracing::warn!(seconds, "the machine's clock was set; what is still to be done was moved with it");
        Ok(Some(by))
    }
}

/// How long at most before a jump is noticed.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_secs(1);
