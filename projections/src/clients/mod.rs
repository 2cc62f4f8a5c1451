//! Clients, the tenants of the node.

use async_trait::async_trait;
use domain::aggregate::Aggregate;
use domain::client::{Client, ClientEvent, ClientLimits};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::numbers::knows;
use crate::page::{Page, PageRequest, Stored};
use crate::view::{At, Row, Shown, View};

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientView {
    /// TypeID `cli_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: ClientId,
    /// The company's name.
    pub name: String,
    /// How much it may do.
    #[serde(default)]
    pub limits: ClientLimitsView,
    /// When it was made.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Version of its stream; its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// How much a client may do; `null`: as much as the node allows everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ClientLimits)]
pub struct ClientLimitsView {
    /// Requests a minute by all of its keys and users together.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Calls it may place in a day of UTC.
    #[serde(default)]
    pub calls_per_day: Option<u32>,
    /// Calls under way at a time, those that came in among them.
    #[serde(default)]
    pub concurrent_calls: Option<u32>,
    /// Bytes of its call records and transcripts.
    #[serde(default)]
    pub storage_bytes: Option<u64>,
}

impl From<ClientLimits> for ClientLimitsView {
    fn from(limits: ClientLimits) -> Self {
        let ClientLimits { requests_per_minute, calls_per_day, concurrent_calls, storage_bytes } = limits;
        Self { requests_per_minute, calls_per_day, concurrent_calls, storage_bytes }
    }
}

impl From<ClientLimitsView> for ClientLimits {
    fn from(limits: ClientLimitsView) -> Self {
        let ClientLimitsView { requests_per_minute, calls_per_day, concurrent_calls, storage_bytes } = limits;
        Self { requests_per_minute, calls_per_day, concurrent_calls, storage_bytes }
    }
}

/// A client's row.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientRow {
    /// The last event that touched it.
    pub position: Position,
    /// What is shown.
    pub view: ClientView,
}

impl Row for ClientRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for ClientRow {
    type Resource = ClientView;

    fn resource(&self) -> &ClientView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// The view of clients.
#[derive(Debug)]
pub struct Clients;

impl View for Clients {
    const NAME: &'static str = "clients";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    type Row = ClientRow;
    type Fact = ClientEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, ClientEvent)>, DecodeError> {
        if event.stream.category() != Client::CATEGORY || !knows::<ClientEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = ClientEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<ClientRow>, at: &At, fact: ClientEvent) {
        match (row.as_mut(), fact) {
            (_, ClientEvent::Created(created)) => {
                let view = ClientView {
                    id: ClientId(at.id),
                    name: created.name,
                    limits: ClientLimitsView::default(),
                    created_at: created.at,
                    version: at.version.0,
                };
                *row = Some(ClientRow { position: at.position, view });
            }
            (Some(row), ClientEvent::LimitsChanged(changed)) => {
                row.position = at.position;
                row.view.limits = changed.after.into();
                row.view.version = at.version.0;
            }
            (Some(row), ClientEvent::Renamed(renamed)) => {
                row.position = at.position;
                row.view.name = renamed.after;
                row.view.version = at.version.0;
            }
            (None, ClientEvent::LimitsChanged(_) | ClientEvent::Renamed(_)) => {}
        }
    }
}

/// What the node keeps of a client in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientEntry {
    /// Who.
    pub id: ClientId,
    /// How much it may do.
    pub limits: ClientLimits,
}

/// Reads of clients.
#[async_trait]
pub trait ClientQueries: Send + Sync {
    /// One [client](ClientView), as JSON.
    async fn client(&self, id: ClientId) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of all [clients](ClientView), by `created_at` and id: for the operator of the platform only.
    async fn clients(&self, page: &PageRequest) -> Result<Page, StoreUnavailable>;

    /// The [limits](ClientLimitsView) of all clients by id, beginning after `after`: for the node's own directory.
    async fn client_directory(
        &self,
        after: Option<ClientId>,
        limit: u32,
    ) -> Result<Vec<ClientEntry>, StoreUnavailable>;
}
