//! Rows that hold just a resource of the API, as most views do.

use std::fmt;

use async_trait::async_trait;
use domain::envelope::{Position, Time, Version};
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::page::{Page, PageRequest, Stored};
use crate::view::{Row, Shown, View};

/// A table whose rows hold a resource's JSON document. Its view has the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentTable {
    pub name: &'static str,
    /// Whether rows of deleted resources stay, marked as removed. No query shows them.
    pub keeps_removed: bool,
}

/// The table of a view's rows.
#[must_use]
pub const fn table_of<V: View<Row: Shown>>() -> DocumentTable {
    <V::Row as Shown>::TABLE
}

/// A row of any client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    pub id: Uuid,
    pub client: ClientId,
    /// The resource as JSON.
    pub json: String,
}

/// Queries that are the same for all resources. Those with a `client` never answer with another client's resource.
#[async_trait]
pub trait DocumentQueries: Send + Sync {
    /// One resource of the client, as JSON.
    async fn document(
        &self,
        table: DocumentTable,
        client: ClientId,
        id: Uuid,
    ) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of the client's resources, ordered by `created_at` and id.
    async fn documents(
        &self,
        table: DocumentTable,
        client: ClientId,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// Up to `limit` resources of all clients, by id, after `after`: fills the node's own directories.
    async fn every_document(
        &self,
        table: DocumentTable,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DocumentRow>, StoreUnavailable>;
}

/// A resource of the API that is stored as a row.
pub trait Resource: Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Name of the table of its rows.
    const TABLE: &'static str;

    /// The id in the name of its stream.
    fn id(&self) -> Uuid;

    fn created_at(&self) -> Time;

    /// Version of the resource's stream.
    fn version(&self) -> Version;
}

/// The row of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<R> {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// Whether the resource was deleted. Its row stays, without personal data, because other rows refer to it;
    /// no query shows it.
    pub removed: bool,
    pub view: R,
}

impl<R: Resource> Row for Document<R> {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id()
    }
}

impl<R: Resource> Shown for Document<R> {
    const TABLE: DocumentTable = DocumentTable { name: R::TABLE, keeps_removed: true };

    type Resource = R;

    fn resource(&self) -> &R {
        &self.view
    }

    fn version(&self) -> Version {
        self.view.version()
    }
}
