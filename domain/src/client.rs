//! A client: a tenant of the node.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::origin::Origin;
use crate::wire::events;

events! {
    /// A fact of a client's life.
    pub enum ClientEvent {
        /// The client exists.
        Created(ClientCreated) = "client.created" v 1,
        /// How much it may do was changed.
        LimitsChanged(ClientLimitsChanged) = "client.limits_changed" v 1,
    }
}

/// See [`ClientEvent::Created`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientCreated {
    /// The company's name, 1 to 200 characters.
    pub name: String,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// How much a client may do. `None`: as much as the node allows everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientLimits {
    /// Requests a minute by all of its keys and users together, at least 1.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Calls it may place in a day of UTC. Calls that come in are not counted.
    #[serde(default)]
    pub calls_per_day: Option<u32>,
    /// Calls under way at a time, whoever began them. It holds back those the client places, never those that
    /// come in.
    #[serde(default)]
    pub concurrent_calls: Option<u32>,
}

/// See [`ClientEvent::LimitsChanged`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientLimitsChanged {
    /// What held.
    pub before: ClientLimits,
    /// What holds.
    pub after: ClientLimits,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// What may be asked of a client.
#[derive(Debug, Clone)]
pub enum ClientCommand {
    /// Create it.
    Create {
        /// 1 to 200 characters.
        name: String,
        /// Now.
        now: Time,
    },
    /// Let it do so much and no more.
    Limit {
        /// All of its limits; they take the place of those it has.
        limits: ClientLimits,
        /// From where.
        origin: Origin,
        /// Now.
        now: Time,
    },
}

/// Why a client does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefusal {
    /// The stream is already a client.
    #[error("the client exists already")]
    Exists,
    /// The name is empty or too long.
    #[error("a client's name has 1 to 200 characters")]
    Name,
    /// There is no such client.
    #[error("there is no such client")]
    Unknown,
    /// Nobody could do anything any more, not even look.
    #[error("a client may send at least one request a minute")]
    NoRequests,
}

/// A client, as its rules see it.
#[derive(Debug, Clone, Default)]
pub struct Client {
    created: bool,
    limits: ClientLimits,
}

impl Client {
    /// How much it may do.
    #[must_use]
    pub fn limits(&self) -> ClientLimits {
        self.limits
    }
}

impl Aggregate for Client {
    const CATEGORY: &'static str = crate::ids::ClientId::CATEGORY;
    type Command = ClientCommand;
    type Event = ClientEvent;
    type Refusal = ClientRefusal;

    fn decide(&self, command: &ClientCommand) -> Result<Vec<ClientEvent>, ClientRefusal> {
        match command {
            ClientCommand::Create { name, now } => {
                if self.created {
                    return Err(ClientRefusal::Exists);
                }
                if name.trim().is_empty() || name.chars().count() > 200 {
                    return Err(ClientRefusal::Name);
                }
                Ok(vec![ClientCreated { name: name.clone(), at: *now }.into()])
            }
            ClientCommand::Limit { limits, origin, now } => {
                if !self.created {
                    return Err(ClientRefusal::Unknown);
                }
                if limits.requests_per_minute == Some(0) {
                    return Err(ClientRefusal::NoRequests);
                }
                if *limits == self.limits {
                    return Ok(vec![]);
                }
                let (before, after, origin) = (self.limits, *limits, origin.clone());
                Ok(vec![ClientLimitsChanged { before, after, origin, at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Created(_) => self.created = true,
            ClientEvent::LimitsChanged(changed) => self.limits = changed.after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    fn create(name: &str) -> ClientCommand {
        ClientCommand::Create { name: name.to_owned(), now: at(1) }
    }

    #[test]
    fn a_client_is_created_once() {
        let created = ClientCreated { name: "Example Travel".to_owned(), at: at(1) };
        let there = scenario::<Client>().when(create("Example Travel")).then([created.into()]).and();
        there.when(create("Another")).then_refused(ClientRefusal::Exists);
    }

    #[test]
    fn a_client_has_a_name_of_1_to_200_characters() {
        for bad in ["", " \t", &"é".repeat(201)] {
            scenario::<Client>().when(create(bad)).then_refused(ClientRefusal::Name);
        }
        for good in ["x", &"é".repeat(200)] {
            scenario::<Client>().when(create(good)).then_types(["client.created"]);
        }
    }

    fn limit(limits: ClientLimits) -> ClientCommand {
        ClientCommand::Limit { limits, origin: Origin::default(), now: at(2) }
    }

    #[test]
    fn limits_are_replaced_as_a_whole_and_the_same_ones_are_no_news() {
        let first = ClientLimits { calls_per_day: Some(100), ..ClientLimits::default() };
        let second = ClientLimits {
            requests_per_minute: Some(1),
            concurrent_calls: Some(0),
            ..ClientLimits::default()
        };
        let changed = |before, after| {
            ClientEvent::from(ClientLimitsChanged { before, after, origin: Origin::default(), at: at(2) })
        };
        let there = scenario::<Client>().after([create("Example Travel")]);
        let there = there.when(limit(first)).then([changed(ClientLimits::default(), first)]).and();
        let there = there.when(limit(second)).then([changed(first, second)]).and();
        there.when(limit(second)).then_nothing();
    }

    #[test]
    fn only_a_client_has_limits_and_it_may_always_send_a_request() {
        let none = ClientLimits { requests_per_minute: Some(0), ..ClientLimits::default() };
        scenario::<Client>().when(limit(ClientLimits::default())).then_refused(ClientRefusal::Unknown);
        let there = scenario::<Client>().after([create("Example Travel")]);
        there.when(limit(none)).then_refused(ClientRefusal::NoRequests);
    }
}
