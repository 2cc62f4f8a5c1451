//! The row of an API key, and the part of it that clients see.

use std::collections::BTreeMap;
use std::fmt;

use domain::envelope::{Position, Time, Version};
use domain::ids::{ApiKeyId, ClientId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::DocumentTable;
use crate::view::{Row, Shown};

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    /// Id of the key: TypeID `key_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: ApiKeyId,
    /// Name the client gives the key.
    pub name: String,
    /// First 10 characters of the key, to recognise it by.
    pub key_prefix: String,
    /// Scopes the key grants, for example `calls:read`.
    pub scopes: Vec<String>,
    /// Most requests an hour; `null`: only the client's own limit holds.
    #[serde(default)]
    pub rate_limit: Option<u32>,
    /// Most requests in the key's whole life; `null`: any number.
    #[serde(default)]
    pub usage_quota: Option<u64>,
    /// Requests so far; updated every few seconds.
    #[serde(default)]
    pub usage_count: u64,
    /// Whether requests with the key are accepted.
    pub enabled: bool,
    /// When the key was last used; updated every few seconds.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Time>,
    /// When the key expires; `null`: never.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Time>,
    /// When the key was revoked; `null`: it was not.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Time>,
    /// When the key was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the key was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the key's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// SHA-256 of an API key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// The hash of a rotated key that is still accepted for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldHash {
    /// SHA-256 of the old key.
    pub hash: [u8; 32],
    /// When the old key stops to be accepted.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub until: Time,
}

/// The part of a key's row that clients do not see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInner {
    /// Hashes of rotated keys, oldest first.
    pub old_hashes: Vec<OldHash>,
    /// Requests by day, such as `2026-01-31`; the newest 90 days.
    pub by_day: BTreeMap<String, u64>,
    /// Requests by endpoint of the API.
    pub by_endpoint: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ApiKeyRow {
    pub client: ClientId,
    /// Position of the last event in the row, of the key or of its use.
    pub position: Position,
    /// Hash of the present key.
    pub hash: KeyHash,
    /// The key is deleted: no list shows it, and no request with it is accepted.
    pub removed: bool,
    pub view: ApiKeyView,
    /// The part that clients do not see.
    pub inner: KeyInner,
}

impl Row for ApiKeyRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for ApiKeyRow {
    const TABLE: DocumentTable = DocumentTable { name: "api_keys", keeps_removed: true };

    type Resource = ApiKeyView;

    fn resource(&self) -> &ApiKeyView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}
