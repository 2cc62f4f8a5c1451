//! What can be asked of webhooks.

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::{ClientId, DeliveryId, EndpointId};
use domain::ports::StoreUnavailable;
use domain::ports::deliveries::Replay;
use domain::webhook::delivery::{DeliveryOf, DeliveryStatus};
use uuid::Uuid;

use crate::page::{Page, PageRequest, Stored};

/// Which deliveries are wanted; all conditions hold at once.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// One of these, any if empty.
    pub status: Vec<DeliveryStatus>,
    /// Of this event type.
    pub event: Option<String>,
    /// Of this event.
    pub event_id: Option<Uuid>,
    /// Of events after this moment.
    pub created_after: Option<Time>,
    /// Of events before this moment.
    pub created_before: Option<Time>,
}

/// Which attempts are wanted; all conditions hold at once.
#[derive(Debug, Clone, Default)]
pub struct AttemptFilter {
    /// Only those that succeeded, or only those that did not.
    pub succeeded: Option<bool>,
    /// Of this event type.
    pub event: Option<String>,
    /// Begun after this moment.
    pub created_after: Option<Time>,
    /// Begun before this moment.
    pub created_before: Option<Time>,
}

/// What is needed to ask something of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySummary {
    /// What to whom.
    pub of: DeliveryOf,
    /// Where it stands.
    pub status: DeliveryStatus,
}

/// Public events in the order they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Their bodies, as they are sent.
    pub items: Vec<String>,
    /// The last one, when there are more after it.
    pub next: Option<Uuid>,
}

/// Reads of webhook endpoints. None of them ever answers with something of another client's.
#[async_trait]
pub trait WebhookQueries: Send + Sync {
    /// One [endpoint](super::EndpointView), as JSON.
    async fn endpoint(&self, client: ClientId, id: EndpointId) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of [endpoints](super::EndpointView), by `created_at` and id.
    async fn endpoints(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable>;
}

/// Reads of deliveries. None of them ever answers with something of another client's.
#[async_trait]
pub trait DeliveryQueries: std::fmt::Debug + Send + Sync {
    /// One [delivery](super::DeliveryView), as JSON. Its version is that of its stream as far as it was read.
    async fn delivery(&self, client: ClientId, id: DeliveryId) -> Result<Option<Stored>, StoreUnavailable>;

    /// What to whom, and where it stands.
    async fn delivery_summary(
        &self,
        client: ClientId,
        id: DeliveryId,
    ) -> Result<Option<DeliverySummary>, StoreUnavailable>;

    /// A page of an endpoint's [deliveries](super::DeliveryView), by the time of their events and id.
    async fn deliveries(
        &self,
        client: ClientId,
        endpoint: EndpointId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// A page of the [attempts](super::AttemptView) to an endpoint, by when they began and id.
    async fn attempts(
        &self,
        client: ClientId,
        endpoint: EndpointId,
        filter: &AttemptFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// Up to `limit` public events after the one with the id `after`, or from the first one kept; of these types, or
    /// all. `None` when there is no event `after`, or it is not kept any more.
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
