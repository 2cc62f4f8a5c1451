//! The time by which work is due: the node's own, without the jumps of its wall clock.
//!
//! Rows keep due times as wall time, so that another node, or this one after a restart, can continue with them.
//! While a node holds a lease it counts by its monotonic clock. Once the wall clock has jumped, all future due
//! times are moved by the same amount in one step, and the node counts on from the new time. So a jump makes
//! nothing due earlier or later.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::envelope::Time;
use domain::ports::StoreUnavailable;
use domain::ports::clock::{Clock, JumpMeter};
use parking_lot::Mutex;
use tokio::sync::{RwLock, RwLockReadGuard};

/// The time of one job on this node.
#[derive(Debug)]
pub(crate) struct JobClock {
    clock: Arc<dyn Clock>,
    known: Mutex<ClockState>,
    /// Locked for reading while rows are read or written by their due times, for writing while they are moved.
    gate: RwLock<()>,
}

#[derive(Debug)]
struct ClockState {
    meter: JumpMeter,
    /// The last jump forward: the time before it, and its length. An event recorded before the jump is younger
    /// than it seems, by that length.
    forward: Option<(Time, TimeDelta)>,
}

impl JobClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let known = ClockState { meter: JumpMeter::new(&*clock), forward: None };
        Self { clock, known: Mutex::new(known), gate: RwLock::new(()) }
    }

    /// The time now, without jumps: everything up to it is due.
    pub(crate) fn now(&self) -> Time {
        self.known.lock().meter.steady(&*self.clock)
    }

    /// When something is due that must wait for `after` from the time its event was recorded. A recorded time in
    /// the future, from a node whose clock is ahead, counts as now.
    pub(crate) fn due(&self, recorded_at: Time, after: TimeDelta) -> Time {
        let known = self.known.lock();
        let recorded_at = match known.forward {
            Some((before, by)) if recorded_at <= before => recorded_at + by,
            _ => recorded_at,
        };
        recorded_at.min(known.meter.steady(&*self.clock)) + after
    }

    /// Sleeps until `until`, by the monotonic clock.
    pub(crate) async fn sleep_until(&self, until: Time) {
        let left = (until - self.now()).to_std().unwrap_or_default();
        self.clock.sleep(left).await;
    }

    /// Keeps due times from being moved: hold it from reading the time until the rows were read or written by it.
    pub(crate) async fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// When the wall clock has jumped, lets `shift` move all rows, and answers by how much. Call it
    /// at least every second.
    ///
    /// When the rows cannot be moved it fails, and time goes on as if the clock had not jumped.
    pub(crate) async fn keep_up<F>(
        &self,
        shift: impl FnOnce(TimeDelta) -> F,
    ) -> Result<Option<TimeDelta>, StoreUnavailable>
    where
        F: Future<Output = Result<(), StoreUnavailable>>,
    {
        let jump = |known: &ClockState| known.meter.jump(&*self.clock);
        if jump(&self.known.lock()).is_none() {
            return Ok(None);
        }
        let _whole = self.gate.write().await;
        let Some(by) = jump(&self.known.lock()) else { return Ok(None) };
        shift(by).await?;
        let mut known = self.known.lock();
        known.forward = (by > TimeDelta::zero()).then(|| (known.meter.steady(&*self.clock), by));
        known.meter.settle(by);
        let seconds = by.as_seconds_f64();
        tracing::warn!(seconds, "the machine's clock was set; what is still to be done was moved with it");
        Ok(Some(by))
    }
}

/// Longest time before a jump is noticed.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_secs(1);
