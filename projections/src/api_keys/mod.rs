//! API keys: what programs sign in with.

use std::fmt;

use async_trait::async_trait;
use domain::aggregate::Aggregate;
use domain::api_key::{ApiKey, ApiKeyEvent};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::StoreUnavailable;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::numbers::knows;
use crate::page::{Page, PageRequest, Stored};
use crate::view::{At, Row, Shown, View};

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    /// TypeID `key_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: ApiKeyId,
    /// What the client calls it.
    pub name: String,
    /// Its first 10 characters.
    pub key_prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Version of its stream; its `ETag`.
    pub version: u64,
}

/// SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// A key's row.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKeyRow {
    /// Whose it is.
    pub client: ClientId,
    /// The last event that touched it.
    pub position: Position,
    /// What it is recognised by.
    pub hash: KeyHash,
    /// What is shown.
    pub view: ApiKeyView,
}

impl Row for ApiKeyRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for ApiKeyRow {
    type Resource = ApiKeyView;

    fn resource(&self) -> &ApiKeyView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// The view of API keys.
#[derive(Debug)]
pub struct ApiKeys;

impl View for ApiKeys {
    const NAME: &'static str = "api_keys";
    const FOLDS: bool = true;
    type Row = ApiKeyRow;
    type Fact = ApiKeyEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, ApiKeyEvent)>, DecodeError> {
        if event.stream.category() != ApiKey::CATEGORY || !knows::<ApiKeyEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = ApiKeyEvent::decode(&event.event_type, event.schema, &event.payload)?;
        let ApiKeyEvent::Created(created) = &fact;
        if created.key_hash.len() != 32 {
            return Err(DecodeError::Payload { event_type: event.event_type.clone() });
        }
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<ApiKeyRow>, at: &At, fact: ApiKeyEvent) {
        let ApiKeyEvent::Created(created) = fact;
        let Ok(hash) = created.key_hash.as_slice().try_into() else {
            return; // refused in `read`
        };
        let view = ApiKeyView {
            id: ApiKeyId(at.id),
            name: created.name,
            key_prefix: created.key_prefix,
            scopes: created.scopes,
            created_at: created.at,
            version: at.version.0,
        };
        *row = Some(ApiKeyRow { client: at.client, position: at.position, hash: KeyHash(hash), view });
    }
}

/// A key as a door-keeper needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyEntry {
    /// Which.
    pub id: ApiKeyId,
    /// Whose.
    pub client: ClientId,
    /// What it is recognised by.
    pub hash: KeyHash,
    /// What it may do.
    pub scopes: Vec<String>,
    /// What the client calls it.
    pub name: String,
}

/// Reads of API keys.
#[async_trait]
pub trait ApiKeyQueries: Send + Sync {
    /// One [key](ApiKeyView) of the client's, as JSON.
    async fn api_key(&self, client: ClientId, id: ApiKeyId) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of the client's [keys](ApiKeyView), by `created_at` and id.
    async fn api_keys(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable>;

    /// The key with this hash, whosever it is.
    async fn api_key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKeyEntry>, StoreUnavailable>;

    /// Up to `limit` keys of all clients, by id, after `after`: to fill a directory in memory.
    async fn api_key_directory(
        &self,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyEntry>, StoreUnavailable>;
}
