//! The view of API keys, with which programs authenticate.

mod fold;
mod view;

use async_trait::async_trait;
use domain::envelope::{Position, Time};
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::StoreUnavailable;

pub use fold::{ApiKeys, KeyFact};
pub use view::{ApiKeyRow, ApiKeyView, KeyHash, KeyInner, OldHash};

/// An API key as the authenticator keeps it in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyEntry {
    pub client: ClientId,
    /// Hashes that the key is recognised by, each with the time it stops to be valid; `None`: as long as the key is.
    pub hashes: Vec<(KeyHash, Option<Time>)>,
    /// Position of the last event in the row, of the key or of its use.
    pub position: Position,
    pub view: ApiKeyView,
}

impl ApiKeyEntry {
    /// The authenticator's part of a row.
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

/// Queries of API keys. None of them, except the directory, answers with another client's key.
#[async_trait]
pub trait ApiKeyQueries: Send + Sync {
    /// The row of one of the client's keys, with the counts of its use.
    async fn api_key_row(
        &self,
        client: ClientId,
        id: ApiKeyId,
    ) -> Result<Option<ApiKeyRow>, StoreUnavailable>;

    /// Up to `limit` keys of all clients, by id, after `after`: fills the authenticator's directory in memory.
    /// Deleted keys are left out.
    async fn api_key_directory(
        &self,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyEntry>, StoreUnavailable>;
}
