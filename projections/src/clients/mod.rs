//! The view of clients, the tenants of the node.

use async_trait::async_trait;
use domain::aggregate::Aggregate;
use domain::billing::BillingTerms;
use domain::client::{Client, ClientEvent, ClientLimits};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::DocumentTable;
use crate::numbers::knows;
use crate::page::{Page, PageRequest, Stored};
use crate::view::{At, Row, Shown, View};

/// A client, which is a tenant of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientView {
    /// Id of the client: TypeID `cli_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: ClientId,
    /// Name of the client's company.
    pub name: String,
    /// Limits of what the client may use.
    #[serde(default)]
    pub limits: ClientLimitsView,
    /// Whether calls need cover by credit before they are placed or taken.
    #[serde(default)]
    pub prepaid: bool,
    /// How far below zero the credit may go, in millionths of the currency.
    #[serde(default)]
    pub credit_line: i64,
    /// The client is told once its credit falls to this, in millionths of the currency; `null`: it is not told.
    #[serde(default)]
    #[schema(required)]
    pub low_at: Option<i64>,
    /// When the client was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Version of the client's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

impl ClientView {
    /// Terms of the client's credit.
    #[must_use]
    pub fn billing(&self) -> BillingTerms {
        BillingTerms { prepaid: self.prepaid, credit_line: self.credit_line, low_at: self.low_at }
    }

    fn set_billing(&mut self, terms: BillingTerms) {
        let BillingTerms { prepaid, credit_line, low_at } = terms;
        (self.prepaid, self.credit_line, self.low_at) = (prepaid, credit_line, low_at);
    }
}

/// Limits of what a client may use; `null`: the node's default limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ClientLimits)]
pub struct ClientLimitsView {
    /// Most requests a minute by all of the client's keys and users together.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Most calls the client may place in a day of UTC.
    #[serde(default)]
    pub calls_per_day: Option<u32>,
    /// Most calls under way at a time, inbound calls included.
    #[serde(default)]
    pub concurrent_calls: Option<u32>,
    /// Most bytes of its call records and transcripts.
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

#[derive(Debug, Clone, PartialEq)]
pub struct ClientRow {
    /// Position of the last event in the row.
    pub position: Position,
    pub view: ClientView,
}

impl Row for ClientRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for ClientRow {
    const TABLE: DocumentTable = DocumentTable { name: "clients", keeps_removed: false };

    type Resource = ClientView;

    fn resource(&self) -> &ClientView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// The view of clients: one row a client.
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
                    prepaid: false,
                    credit_line: 0,
                    low_at: None,
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
            (Some(row), ClientEvent::BillingChanged(changed)) => {
                row.position = at.position;
                row.view.set_billing(changed.after);
                row.view.version = at.version.0;
            }
            (
                None,
                ClientEvent::LimitsChanged(_) | ClientEvent::Renamed(_) | ClientEvent::BillingChanged(_),
            ) => {}
        }
    }
}

/// What the node keeps of a client in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientEntry {
    pub id: ClientId,
    pub limits: ClientLimits,
    pub billing: BillingTerms,
}

/// Queries of the platform's clients.
#[async_trait]
pub trait ClientQueries: Send + Sync {
    /// One [client](ClientView), as JSON.
    async fn client(&self, id: ClientId) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of all [clients](ClientView), ordered by `created_at` and id: for the operator of the platform only.
    async fn clients(&self, page: &PageRequest) -> Result<Page, StoreUnavailable>;

    /// The [limits](ClientLimitsView) of all clients by id, after `after`: for the node's own directory.
    async fn client_directory(
        &self,
        after: Option<ClientId>,
        limit: u32,
    ) -> Result<Vec<ClientEntry>, StoreUnavailable>;
}
