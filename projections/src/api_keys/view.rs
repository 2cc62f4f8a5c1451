//! What is kept of an API key.

use std::collections::BTreeMap;
use std::fmt;

use domain::envelope::{Position, Time, Version};
use domain::ids::{ApiKeyId, ClientId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::view::{Row, Shown};

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
    /// Requests an hour; `null`: the client's own limit alone.
    #[serde(default)]
    pub rate_limit: Option<u32>,
    /// Requests in its whole life; `null`: any number.
    #[serde(default)]
    pub usage_quota: Option<u64>,
    /// Requests so far; told every few seconds.
    #[serde(default)]
    pub usage_count: u64,
    /// Whether it opens anything.
    pub enabled: bool,
    /// Its last request; told every few seconds.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Time>,
    /// When it ends by itself.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Time>,
    /// When it was ended.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Time>,
    /// When it was made.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of its stream; its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// A plain text that was replaced and goes on for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldHash {
    /// What it is recognised by.
    pub hash: [u8; 32],
    /// How long.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub until: Time,
}

/// What of a key is not shown with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInner {
    /// Replaced plain texts, oldest first.
    pub old_hashes: Vec<OldHash>,
    /// Requests by day, `2026-01-31`, the newest 90 of them.
    pub by_day: BTreeMap<String, u64>,
    /// Requests by endpoint.
    pub by_endpoint: BTreeMap<String, u64>,
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
    /// Gone from every list; opens nothing.
    pub removed: bool,
    /// What is shown.
    pub view: ApiKeyView,
    /// What is not.
    pub inner: KeyInner,
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
