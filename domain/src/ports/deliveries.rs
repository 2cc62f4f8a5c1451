//! Webhook deliveries as rows derived from the log: what is pending, until when, and how the attempts went.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use uuid::Uuid;

use super::StoreUnavailable;
use super::lease::Lease;
use super::outbox::OutboxError;
use crate::envelope::{EventRef, Position, Time, Version};
use crate::ids::{AgentId, ClientId, DeliveryId, EndpointId};
use crate::webhook::delivery::{DeliveryAttempted, DeliveryOf};
use crate::webhook::public::PublicEvent;

/// A delivery to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub client: ClientId,
    /// The event and the endpoint.
    pub of: DeliveryOf,
    /// When the event was recorded, by the recording node's clock.
    pub at: Time,
    /// When the first attempt is due, by the clock of the node that makes it: the recording node's may be ahead.
    pub due: Time,
    /// Whether it waits for earlier deliveries about the same subject.
    pub ordered: bool,
}

/// An attempt as the log records it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedAttempt {
    pub delivery: DeliveryId,
    pub client: ClientId,
    /// Id of the recorded event, which is the attempt's id.
    pub id: Uuid,
    /// Version of the delivery's stream with this event.
    pub version: Version,
    /// How the attempt went, and what follows.
    pub fact: DeliveryAttempted,
}

/// A request to deliver, again or for the first time, what happened in a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    pub endpoint: EndpointId,
    pub client: ClientId,
    /// Start of the period, inclusive.
    pub since: Time,
    /// End of the period, exclusive.
    pub until: Time,
    /// Types of public events that are meant.
    pub events: Vec<String>,
    /// `Some`: only events that have to do with this agent.
    pub agent: Option<AgentId>,
    /// Only deliveries that failed for good or were cancelled.
    pub only_failed: bool,
    /// When the deliveries become due.
    pub due: Time,
    /// Position of the request: nothing that happened later is meant.
    pub position: Position,
}

/// A change that follows from an event.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryChange {
    /// Keeps a public event; one at this position that is there already stays as it is.
    Publish(PublicEvent),
    /// Adds a delivery; one with this id that is there already stays as it is.
    Schedule(NewDelivery),
    /// Records an attempt and moves the delivery on. A test's attempt may create its delivery.
    Attempted(Box<RecordedAttempt>),
    /// Makes a delivery due once more; its schedule starts again.
    Redeliver {
        delivery: DeliveryId,
        due: Time,
        /// Version of the delivery's stream with this event.
        version: Version,
    },
    /// Cancels a delivery that has not ended.
    Cancel {
        delivery: DeliveryId,
        at: Time,
        /// Version of the delivery's stream with this event.
        version: Version,
    },
    /// Cancels all pending deliveries to an endpoint.
    CancelAll(EndpointId),
    /// Ends the ordering of an endpoint's pending deliveries: those that waited for others become
    /// due at this time.
    Unblock(EndpointId, Time),
    Replay(Replay),
    /// Stores an endpoint in place of its older state.
    Remember(StoredTarget),
    Forget(EndpointId),
}

/// An endpoint as of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTarget {
    pub endpoint: EndpointId,
    pub client: ClientId,
    /// All else as JSON; the store does not look into it.
    pub doc: String,
}

/// A delivery whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    pub id: DeliveryId,
    pub client: ClientId,
    /// The event and the endpoint.
    pub of: DeliveryOf,
    /// Since when it is due.
    pub due: Time,
    /// Attempts made before the delivery was last requested.
    pub before: u32,
    /// Version of its stream as far as it was read; 0 where no event of it is known.
    pub version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryStats {
    /// Deliveries that have not ended.
    pub pending: u64,
    /// Due time of the longest overdue delivery.
    pub oldest_due: Option<Time>,
}

/// Stores deliveries and what belongs to them.
#[async_trait]
pub trait DeliveryStore: fmt::Debug + Send + Sync {
    /// How far the store has followed the log.
    async fn checkpoint(&self) -> Result<EventRef, StoreUnavailable>;

    /// Forgets everything that follows from the log, because the store holds rows of another history. The rows are
    /// derived again from the first event on.
    async fn start_anew(&self) -> Result<(), StoreUnavailable>;

    /// Applies `changes` in order and moves the checkpoint from `expected` to `to`, all in one transaction, if
    /// `lease` still holds and the checkpoint is still at `expected`.
    async fn commit(
        &self,
        lease: &Lease,
        expected: Position,
        to: EventRef,
        changes: &[DeliveryChange],
    ) -> Result<(), OutboxError>;

    /// The endpoints as of the checkpoint.
    async fn targets(&self) -> Result<Vec<StoredTarget>, StoreUnavailable>;

    /// Up to `limit` deliveries to an endpoint that are due at `now`, longest due first; those that wait for
    /// another are left out.
    async fn due(
        &self,
        endpoint: EndpointId,
        now: Time,
        limit: usize,
    ) -> Result<Vec<DueDelivery>, StoreUnavailable>;

    /// When the next delivery to an endpoint is due, after `now`.
    async fn next_due(&self, endpoint: EndpointId, now: Time) -> Result<Option<Time>, StoreUnavailable>;

    /// Bodies of public events by their positions; those that are not kept any more are left out.
    async fn bodies(&self, positions: &[Position]) -> Result<Vec<(Position, Bytes)>, StoreUnavailable>;

    /// Moves the due times of all deliveries by `by` (below zero: back) if `lease` still holds: the clock they
    /// were set by has jumped by as much.
    async fn shift(&self, lease: &Lease, by: TimeDelta) -> Result<(), StoreUnavailable>;

    /// Counts what is waiting at `now`.
    async fn stats(&self, now: Time) -> Result<DeliveryStats, StoreUnavailable>;

    /// Removes what is older than `before`: attempts, deliveries that have ended, and public events that no
    /// delivery needs. Removes at most `limit` rows of each and answers how many in all.
    async fn sweep(&self, before: Time, limit: usize) -> Result<u64, StoreUnavailable>;
}
