//! Facts of an API key's life.

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::envelope::Time;
use crate::origin::Origin;
use crate::wire::events;

events! {
    /// A fact of a key's life.
    pub enum ApiKeyEvent {
        /// The key exists.
        Created(ApiKeyCreated) = "api_key.created" v 1,
        /// What it may do was changed.
        Updated(ApiKeyUpdated) = "api_key.updated" v 1,
        /// It has a new plain text; the old one goes on for a while.
        Rotated(ApiKeyRotated) = "api_key.rotated" v 1,
        /// It opens nothing any more.
        Revoked(ApiKeyRevoked) = "api_key.revoked" v 1,
        /// It is gone from every list.
        Deleted(ApiKeyDeleted) = "api_key.deleted" v 1,
    }
}

/// See [`ApiKeyEvent::Created`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    /// 1 to 200 characters.
    pub name: String,
    /// The first 10 characters of the key, to recognise it by.
    pub key_prefix: String,
    /// SHA-256 of the key, 32 bytes.
    pub key_hash: ByteBuf,
    /// What it may do: `calls:read`, …, or `*`.
    pub scopes: Vec<String>,
    /// Requests an hour; `None`: the client's own limit alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u32>,
    /// Requests in its whole life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_quota: Option<u64>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "micros_option")]
    pub expires_at: Option<Time>,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// What of a key can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTerms {
    /// 1 to 200 characters.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Requests an hour.
    pub rate_limit: Option<u32>,
    /// Requests in its whole life.
    pub usage_quota: Option<u64>,
    /// Whether it opens anything just now.
    pub enabled: bool,
}

/// See [`ApiKeyEvent::Updated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyUpdated {
    /// What held.
    pub before: KeyTerms,
    /// What holds.
    pub after: KeyTerms,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ApiKeyEvent::Rotated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRotated {
    /// The first 10 characters of the new key.
    pub key_prefix: String,
    /// SHA-256 of the new key, 32 bytes.
    pub key_hash: ByteBuf,
    /// Until when the old plain text goes on.
    #[serde(with = "micros")]
    pub old_valid_until: Time,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ApiKeyEvent::Revoked`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRevoked {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ApiKeyEvent::Deleted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyDeleted {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
