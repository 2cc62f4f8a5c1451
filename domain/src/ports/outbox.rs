//! What is still to be done: the outbox of effects and the durable timers, both derived from the log.
//!
//! Rows appear and vanish only in the transaction that moves the checkpoint over the events that caused them,
//! so nothing is done twice with different ids and nothing is forgotten. The store may even be lost: read again
//! from the start of the log, every settled effect removes itself.

use std::fmt;

use async_trait::async_trait;
use chrono::TimeDelta;
use uuid::Uuid;

use super::StoreUnavailable;
use super::lease::Lease;
use crate::call::{Timer, Work};
use crate::envelope::{EventRef, Position, Time};
use crate::ids::ClientId;

/// The event a piece of work follows from; goes into the metadata of what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The event that asked for it.
    pub event_id: Uuid,
    pub correlation_id: Uuid,
    /// W3C trace context of that event.
    pub traceparent: Option<String>,
}

/// An effect to perform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxItem {
    /// Idempotency id, the same on every attempt.
    pub effect_id: Uuid,
    /// Id of the call; for a session's own work, of the session; for a recording, the effect's own, because its work
    /// goes on after the call's.
    pub subject: Uuid,
    pub client: ClientId,
    pub work: Work,
    /// When it is due at the earliest.
    pub due: Time,
    /// Number of attempts so far.
    pub attempts: u32,
    /// Position of the event that asked for it.
    pub position: Position,
    pub cause: Cause,
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerItem {
    /// Id of the call or session.
    pub subject: Uuid,
    pub client: ClientId,
    pub timer: Timer,
    pub due: Time,
    pub cause: Cause,
}

/// A change that follows from an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkChange {
    /// Adds an effect; one with this id that is there already stays as it is.
    Do(OutboxItem),
    /// Removes an effect that is settled.
    Done(Uuid),
    /// Sets a timer in place of one of the same call or session and kind.
    Arm(TimerItem),
    /// Removes a timer of a call or session.
    Disarm(Uuid, Timer),
    /// Removes everything of a call or session.
    Close(Uuid),
}

/// Why a commit did not take place.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Another node owns the job now, or moved the checkpoint: stop.
    #[error("the job was taken over by another node")]
    Deposed,
    /// The store cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkStats {
    /// Effects that are not settled.
    pub effects: u64,
    /// Due time of the longest overdue effect.
    pub oldest_due: Option<Time>,
    /// Timers that are set.
    pub timers: u64,
}

/// The outbox and the timers.
#[async_trait]
pub trait OutboxStore: fmt::Debug + Send + Sync {
    /// How far the store has followed the log.
    async fn checkpoint(&self) -> Result<EventRef, StoreUnavailable>;

    /// Forgets everything that follows from the log, because the store holds rows of another history. The rows are
    /// derived again from the first event on.
    async fn start_anew(&self) -> Result<(), StoreUnavailable>;

    /// Applies `changes` in order and moves the checkpoint from `expected` to `to`, all in one transaction,
    /// if `lease` still holds and the checkpoint is still at `expected`.
    async fn commit(
        &self,
        lease: &Lease,
        expected: Position,
        to: EventRef,
        changes: &[WorkChange],
    ) -> Result<(), OutboxError>;

    /// Up to `limit` effects due at `now`, longest due first. One that [must keep its order](Work::is_ordered)
    /// waits while an earlier one of the same call does.
    async fn due_effects(&self, now: Time, limit: usize) -> Result<Vec<OutboxItem>, StoreUnavailable>;

    /// Postpones an effect after a failed attempt. `error` holds no personal data.
    async fn postpone(
        &self,
        effect_id: Uuid,
        due: Time,
        attempts: u32,
        error: &str,
    ) -> Result<(), StoreUnavailable>;

    /// Up to `limit` effects, due or not, in no order.
    async fn effects(&self, limit: usize) -> Result<Vec<OutboxItem>, StoreUnavailable>;

    /// When the next effect is due that waits for no earlier one of the same call.
    async fn next_effect(&self) -> Result<Option<Time>, StoreUnavailable>;

    /// Removes effects whose outcome is in the log, or that turned out pointless.
    async fn finish(&self, effect_ids: &[Uuid]) -> Result<(), StoreUnavailable>;

    /// Up to `limit` timers due at `now`, longest due first.
    async fn due_timers(&self, now: Time, limit: usize) -> Result<Vec<TimerItem>, StoreUnavailable>;

    /// Removes a timer that fired, unless it was set anew for another time.
    async fn fired(&self, timer: &TimerItem) -> Result<(), StoreUnavailable>;

    /// When the next timer is due.
    async fn next_timer(&self) -> Result<Option<Time>, StoreUnavailable>;

    /// Moves the due times of all effects and timers by `by` (below zero: back) if `lease` still holds: the clock
    /// they were set by has jumped by as much.
    async fn shift(&self, lease: &Lease, by: TimeDelta) -> Result<(), StoreUnavailable>;

    /// Counts what is waiting at `now`.
    async fn stats(&self, now: Time) -> Result<WorkStats, StoreUnavailable>;
}
