//! A client: a tenant of the node.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::wire::events;

events! {
    /// A fact of a client's life.
    pub enum ClientEvent {
        /// The client exists.
        Created(ClientCreated) = "client.created" v 1,
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
}

/// A client, as its rules see it.
#[derive(Debug, Clone, Default)]
pub struct Client {
    created: bool,
}

impl Aggregate for Client {
    const CATEGORY: &'static str = crate::ids::ClientId::CATEGORY;
    type Command = ClientCommand;
    type Event = ClientEvent;
    type Refusal = ClientRefusal;

    fn decide(&self, command: &ClientCommand) -> Result<Vec<ClientEvent>, ClientRefusal> {
        let ClientCommand::Create { name, now } = command;
        if self.created {
            return Err(ClientRefusal::Exists);
        }
        if name.trim().is_empty() || name.chars().count() > 200 {
            return Err(ClientRefusal::Name);
        }
        Ok(vec![ClientCreated { name: name.clone(), at: *now }.into()])
    }

    fn evolve(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Created(_) => self.created = true,
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
}
