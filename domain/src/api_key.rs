//! An API key: what a program signs in with. Only its SHA-256 is ever stored.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::wire::events;

events! {
    /// A fact of a key's life.
    pub enum ApiKeyEvent {
        /// The key exists.
        Created(ApiKeyCreated) = "api_key.created" v 1,
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
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// What may be asked of a key.
#[derive(Debug, Clone)]
pub enum ApiKeyCommand {
    /// Create it.
    Create(ApiKeyCreated),
}

/// Why a key does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRefusal {
    /// The stream is already a key.
    #[error("the API key exists already")]
    Exists,
    /// The name is empty or too long.
    #[error("an API key's name has 1 to 200 characters")]
    Name,
}

/// A key, as its rules see it.
#[derive(Debug, Clone, Default)]
pub struct ApiKey {
    created: bool,
}

impl Aggregate for ApiKey {
    const CATEGORY: &'static str = crate::ids::ApiKeyId::CATEGORY;
    type Command = ApiKeyCommand;
    type Event = ApiKeyEvent;
    type Refusal = ApiKeyRefusal;

    fn decide(&self, command: &ApiKeyCommand) -> Result<Vec<ApiKeyEvent>, ApiKeyRefusal> {
        let ApiKeyCommand::Create(key) = command;
        if self.created {
            return Err(ApiKeyRefusal::Exists);
        }
        if key.name.trim().is_empty() || key.name.chars().count() > 200 {
            return Err(ApiKeyRefusal::Name);
        }
        Ok(vec![key.clone().into()])
    }

    fn evolve(&mut self, event: &ApiKeyEvent) {
        match event {
            ApiKeyEvent::Created(_) => self.created = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    fn key(name: &str) -> ApiKeyCreated {
        ApiKeyCreated {
            name: name.to_owned(),
            key_prefix: "vx_AbCdEfG".to_owned(),
            key_hash: ByteBuf::from([7; 32]),
            scopes: vec!["calls:read".to_owned()],
            at: at(1),
        }
    }

    #[test]
    fn a_key_is_created_once() {
        let there = scenario::<ApiKey>().when(ApiKeyCommand::Create(key("office")));
        let there = there.then([key("office").into()]).and();
        there.when(ApiKeyCommand::Create(key("another"))).then_refused(ApiKeyRefusal::Exists);
    }

    #[test]
    fn a_key_has_a_name_of_1_to_200_characters() {
        for bad in ["", " \t", &"é".repeat(201)] {
            scenario::<ApiKey>().when(ApiKeyCommand::Create(key(bad))).then_refused(ApiKeyRefusal::Name);
        }
        let longest = key(&"é".repeat(200));
        scenario::<ApiKey>().when(ApiKeyCommand::Create(longest)).then_types(["api_key.created"]);
    }
}
