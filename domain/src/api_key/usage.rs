//! How much a key is used: a stream of its own, so that use does not move the version of the key.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::{StreamId, Time};
use crate::ids::ApiKeyId;
use crate::wire::events;

events! {
    /// A fact of a key's use.
    pub enum KeyUsageEvent {
        /// It was used, so many times since the last such event.
        Used(ApiKeyUsed) = "api_key.used" v 1,
    }
}

/// See [`KeyUsageEvent::Used`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyUsed {
    /// Requests since the last such event, all endpoints together.
    pub count: u64,
    /// The same by endpoint: `GET /api/v1/calls/{id}`.
    pub by_endpoint: BTreeMap<String, u64>,
    /// The newest of them.
    #[serde(with = "micros")]
    pub last_used_at: Time,
    /// When it was noted.
    #[serde(with = "micros")]
    pub at: Time,
}

/// The use of a key. There are no rules: what was used was used, whatever became of the key.
#[derive(Debug, Clone, Default)]
pub struct KeyUsage;

impl KeyUsage {
    /// The stream of a key's use.
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
