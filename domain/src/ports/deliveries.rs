//! Deliveries and what belongs to them, as rows derived from the log: what is pending, until when, and how the
//! attempts went.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use uuid::Uuid;

use super::StoreUnavailable;
use super::lease::Lease;
use super::work::WorkError;
use crate::envelope::{EventRef, Position, Time, Version};
use crate::ids::{AgentId, ClientId, DeliveryId, EndpointId};
use crate::webhook::delivery::{DeliveryAttempted, DeliveryOf};
use crate::webhook::public::PublicEvent;

/// A delivery that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Which.
    pub id: DeliveryId,
    /// Whose.
    pub client: ClientId,
    /// What to whom.
    pub of: DeliveryOf,
    /// When the fact was recorded.
    pub at: Time,
    /// When the first attempt is due, by the time of whoever makes it: whoever recorded the fact may be ahead of that.
    pub due: Time,
    /// Whether it waits for earlier ones about the same subject.
    pub ordered: bool,
}

/// An attempt, as the log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedAttempt {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// Whose.
    pub client: ClientId,
    /// The event's id: the attempt's own.
    pub id: Uuid,
    /// The delivery's version with it.
    pub version: Version,
    /// How it went and what follows.
    pub fact: DeliveryAttempted,
}

/// What happened in a while is to be delivered (again).
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// To whom.
    pub endpoint: EndpointId,
    /// Whose.
    pub client: ClientId,
    /// From this moment on.
    pub since: Time,
    /// Before this one.
    pub until: Time,
    /// Of these types.
    pub events: Vec<String>,
    /// Only what has to do with this agent.
    pub agent: Option<AgentId>,
    /// Only what failed for good, or was cancelled.
    pub only_failed: bool,
    /// When it becomes due.
    pub due: Time,
    /// Position of the request: nothing that happened later is meant.
    pub position: Position,
}

/// A change that follows from an event.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryChange {
    /// Keep a public event. One at this position that is there already stays as it is.
    Publish(PublicEvent),
    /// Add a delivery. One with this id that is there already stays as it is.
    Schedule(NewDelivery),
    /// Note an attempt and move the delivery on. One of a test may begin its delivery.
    Attempted(Box<RecordedAttempt>),
    /// Make a delivery due once more; its schedule begins anew.
    Redeliver {
        /// Which.
        delivery: DeliveryId,
        /// When.
        due: Time,
        /// The delivery's version with it.
        version: Version,
    },
    /// End a delivery unless it has ended.
    Cancel {
        /// Which.
        delivery: DeliveryId,
        /// When.
        at: Time,
        /// The delivery's version with it.
        version: Version,
    },
    /// End whatever is pending for an endpoint.
    CancelAll(EndpointId),
    /// Let everything pending for an endpoint go without waiting for others.
    Unblock(EndpointId, Time),
    /// See [`Replay`].
    Replay(Replay),
    /// Remember an endpoint, in place of what was remembered of it.
    Remember(StoredTarget),
    /// Forget an endpoint.
    Forget(EndpointId),
}

/// An endpoint as of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTarget {
    /// Which.
    pub endpoint: EndpointId,
    /// Whose.
    pub client: ClientId,
    /// All else, as JSON; the store does not look into it.
    pub doc: String,
}

/// A delivery whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    /// Which.
    pub id: DeliveryId,
    /// Whose.
    pub client: ClientId,
    /// What to whom.
    pub of: DeliveryOf,
    /// Since when it is due.
    pub due: Time,
    /// Attempts made before it was last asked for.
    pub before: u32,
    /// Version of its stream as far as it was read; 0 when nothing is known to be there.
    pub version: Version,
}

/// How much is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryStats {
    /// Deliveries not at their end.
    pub pending: u64,
    /// When the longest overdue one was due.
    pub oldest_due: Option<Time>,
}

/// Where deliveries are kept.
#[async_trait]
pub trait DeliveryStore: fmt::Debug + Send + Sync {
    /// How far the log has been turned into rows.
    async fn checkpoint(&self) -> Result<EventRef, StoreUnavailable>;

    /// Forgets everything that follows from the log, so that it is made again from its first event: what stands here
    /// is of another history.
    async fn start_anew(&self) -> Result<(), StoreUnavailable>;

    /// Applies `changes` in order and moves the checkpoint from `expected` to `to`, all in one transaction, if
    /// `lease` still holds and the checkpoint is still at `expected`.
    async fn commit(
        &self,
        lease: &Lease,
        expected: Position,
        to: EventRef,
        changes: &[DeliveryChange],
    ) -> Result<(), WorkError>;

    /// The endpoints as of the checkpoint.
    async fn targets(&self) -> Result<Vec<StoredTarget>, StoreUnavailable>;

    /// Up to `limit` deliveries to an endpoint due at `now`, longest due first; none that waits for another.
    async fn due(
        &self,
        endpoint: EndpointId,
        now: Time,
        limit: usize,
    ) -> Result<Vec<DueDelivery>, StoreUnavailable>;

    /// When the next delivery to an endpoint is due, after `now`.
    async fn next_due(&self, endpoint: EndpointId, now: Time) -> Result<Option<Time>, StoreUnavailable>;

    /// The bodies of public events, by their positions; those that are not kept any more are left out.
    async fn bodies(&self, positions: &[Position]) -> Result<Vec<(Position, Bytes)>, StoreUnavailable>;

    /// Moves the due times of all deliveries by `by`, below zero back, if `lease` still holds: the clock they were set
    /// by has jumped by as much.
    async fn shift(&self, lease: &Lease, by: TimeDelta) -> Result<(), StoreUnavailable>;

    /// How much is waiting at `now`.
    async fn stats(&self, now: Time) -> Result<DeliveryStats, StoreUnavailable>;

    /// Removes what is older than `before`: attempts, deliveries at their end, public events that no delivery
    /// needs. At most `limit` rows of each; answers how many in all.
    async fn sweep(&self, before: Time, limit: usize) -> Result<u64, StoreUnavailable>;
}
