//! Events of an API key and their payloads.

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::envelope::Time;
use crate::origin::Origin;
use crate::wire::events;

events! {
    pub enum ApiKeyEvent {
        Created(ApiKeyCreated) = "api_key.created" v 1,
        Updated(ApiKeyUpdated) = "api_key.updated" v 1,
        /// The key has a new plain text; the old one stays valid until `old_valid_until`.
        Rotated(ApiKeyRotated) = "api_key.rotated" v 1,
        /// The key is refused from now on, for good.
        Revoked(ApiKeyRevoked) = "api_key.revoked" v 1,
        /// The key is refused from now on and no longer listed.
        Deleted(ApiKeyDeleted) = "api_key.deleted" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    /// 1 to 200 characters.
    pub name: String,
    /// The first 10 characters of the key, to recognise it by.
    pub key_prefix: String,
    /// SHA-256 of the key, 32 bytes.
    pub key_hash: ByteBuf,
    /// Granted scopes: `calls:read`, …, or `*` for all.
    pub scopes: Vec<String>,
    /// Requests an hour; `None` leaves only the client's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u32>,
    /// Requests the key may make in its whole life; `None` is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_quota: Option<u64>,
    /// When the key expires; `None` is never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "micros_option")]
    pub expires_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Settings of a key that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTerms {
    /// 1 to 200 characters.
    pub name: String,
    pub scopes: Vec<String>,
    /// Requests an hour; `None` leaves only the client's own limit.
    pub rate_limit: Option<u32>,
    /// Requests the key may make in its whole life; `None` is unlimited.
    pub usage_quota: Option<u64>,
    /// A disabled key is refused until it is enabled again.
    pub enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyUpdated {
    pub before: KeyTerms,
    pub after: KeyTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRotated {
    /// The first 10 characters of the new key.
    pub key_prefix: String,
    /// SHA-256 of the new key, 32 bytes.
    pub key_hash: ByteBuf,
    /// Until when the old plain text stays valid.
    #[serde(with = "micros")]
    pub old_valid_until: Time,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRevoked {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyDeleted {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}
