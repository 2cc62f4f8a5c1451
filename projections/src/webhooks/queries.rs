//! Queries of webhooks.

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::{ClientId, DeliveryId, EndpointId};
use domain::ports::StoreUnavailable;
use domain::ports::deliveries::Replay;
use domain::webhook::delivery::{DeliveryOf, DeliveryStatus};
use uuid::Uuid;

use crate::page::{Page, PageRequest, Stored};

/// Which deliveries are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// One of these statuses; any when empty.
    pub status: Vec<DeliveryStatus>,
    pub event: Option<String>,
    pub event_id: Option<Uuid>,
    /// Their events happened after this time.
    pub created_after: Option<Time>,
    /// Their events happened before this time.
    pub created_before: Option<Time>,
}

/// Which attempts are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct AttemptFilter {
    /// `Some(true)`: only those that succeeded; `Some(false)`: only the others.
    pub succeeded: Option<bool>,
    pub event: Option<String>,
    /// Began after this time.
    pub created_after: Option<Time>,
    /// Began before this time.
    pub created_before: Option<Time>,
}

/// What a command on a delivery needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySummary {
    /// The event and the endpoint of the delivery.
    pub of: DeliveryOf,
    pub status: DeliveryStatus,
}

/// A page of public events, in the order they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Bodies of the events, as they are sent.
    pub items: Vec<String>,
    /// Id of the last event, when there are more after it; otherwise `None`.
    pub next: Option<Uuid>,
}

/// Queries of deliveries. None of them ever answers with another client's data.
#[async_trait]
pub trait DeliveryQueries: std::fmt::Debug + Send + Sync {
    /// One [delivery](super::DeliveryView), as JSON. Its version is that of its stream as far as it was read.
    async fn delivery(&self, client: ClientId, id: DeliveryId) -> Result<Option<Stored>, StoreUnavailable>;

    /// The event, endpoint and status of one delivery.
    async fn delivery_summary(
        &self,
        client: ClientId,
        id: DeliveryId,
    ) -> Result<Option<DeliverySummary>, StoreUnavailable>;

    /// A page of an endpoint's [deliveries](super::DeliveryView), ordered by the time of their events and id.
    async fn deliveries(
        &self,
        client: ClientId,
        endpoint: EndpointId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// A page of the [attempts](super::AttemptView) to an endpoint, ordered by when they began and id.
    async fn attempts(
        &self,
        client: ClientId,
        endpoint: EndpointId,
        filter: &AttemptFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// Up to `limit` public events after the one with the id `after`, or from the first one that is kept; of these
    /// types, or of all when empty. `None` when there is no event `after`, or when it is not kept any more.
    async fn public_events(
        &self,
        client: ClientId,
        after: Option<Uuid>,
        types: &[String],
        limit: usize,
    ) -> Result<Option<EventPage>, StoreUnavailable>;

    /// How many deliveries a replay would make due.
    async fn replay_size(&self, replay: &Replay) -> Result<u64, StoreUnavailable>;
}
