//! API keys: what programs sign in with.

mod fold;
mod view;

use async_trait::async_trait;
use domain::envelope::{Position, Time};
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest, Stored};

pub use fold::{ApiKeys, KeyFact};
pub use view::{ApiKeyRow, ApiKeyView, KeyHash, KeyInner, OldHash};

/// A key as a door-keeper needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyEntry {
    /// Whose.
    pub client: ClientId,
    /// What it is recognised by, and until when: `None` is as long as the key itself.
    pub hashes: Vec<(KeyHash, Option<Time>)>,
    /// The last event the row holds, of its life or of its use.
    pub position: Position,
    /// What is shown of it.
    pub view: ApiKeyView,
}

impl ApiKeyEntry {
    /// The door-keeper's side of a row.
    #[must_use]
    pub fn of(row: ApiKeyRow) -> Self {
        let old = row.inner.old_hashes.into_iter().map(|old| (KeyHash(old.hash), Some(old.until)));
        Self {
            client: row.client,
            hashes: std::iter::once((row.hash, None)).chain(old).collect(),
            position: row.position,
            view: row.view,
        }
    }
}

/// Reads of API keys.
#[async_trait]
pub trait ApiKeyQueries: Send + Sync {
    /// One [key](ApiKeyView) of the client's, as JSON.
    async fn api_key(&self, client: ClientId, id: ApiKeyId) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of the client's [keys](ApiKeyView), by `created_at` and id.
    async fn api_keys(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable>;

    /// One key of the client's with how it is used.
    async fn api_key_row(
        &self,
        client: ClientId,
        id: ApiKeyId,
    ) -> Result<Option<ApiKeyRow>, StoreUnavailable>;

    /// Up to `limit` keys of all clients, by id, after `after`: to fill a directory in memory. Deleted ones are
    /// left out.
    async fn api_key_directory(
        &self,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyEntry>, StoreUnavailable>;
}
