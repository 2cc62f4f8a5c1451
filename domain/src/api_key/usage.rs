//! Use of an API key: a stream of its own, so that requests do not raise the version of the key's stream.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::{StreamId, Time};
use crate::ids::ApiKeyId;
use crate::wire::events;

events! {
    pub enum KeyUsageEvent {
        /// The key was used `count` times since the last such event.
        Used(ApiKeyUsed) = "api_key.used" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyUsed {
    /// Requests since the last such event, all endpoints together.
    pub count: u64,
    /// Requests by endpoint, for example `GET /api/v1/calls/{id}`.
    pub by_endpoint: BTreeMap<String, u64>,
    /// When the newest of these requests came.
    #[serde(with = "micros")]
    pub last_used_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Counts the use of a key. It refuses nothing: requests count whatever became of the key.
#[derive(Debug, Clone, Default)]
pub struct KeyUsage;

impl KeyUsage {
    /// The stream that counts the use of `key`.
    #[must_use]
    pub fn stream(key: ApiKeyId) -> StreamId {
        StreamId::new(Self::CATEGORY, key.0)
    }
}

impl Aggregate for KeyUsage {
    const CATEGORY: &'static str = "api_key_usage";
    type Command = ApiKeyUsed;
    type Event = KeyUsageEvent;
    type Refusal = Infallible;

    fn decide(&self, used: &ApiKeyUsed) -> Result<Vec<KeyUsageEvent>, Infallible> {
        Ok(if used.count == 0 { vec![] } else { vec![used.clone().into()] })
    }

    fn evolve(&mut self, _: &KeyUsageEvent) {}
}
