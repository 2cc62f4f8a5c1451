//! The default agent of each client, kept in memory.
//!
//! Filled from the view once, then kept up to date from the log, so that taking a webhook needs no view.

use std::collections::HashMap;

use domain::envelope::{Recorded, Time};
use domain::ids::{AgentId, ClientId};
use parking_lot::RwLock;

/// An agent with the times that decide whether it is the default.
#[derive(Debug, Clone, Copy)]
pub struct KnownAgent {
    pub id: AgentId,
    pub client: ClientId,
    /// When a version last went live; `None` for an agent that was never deployed.
    pub deployed_at: Option<Time>,
    pub created_at: Time,
}

impl KnownAgent {
    /// The agent with the greatest rank is the default.
    fn rank(&self) -> (Option<Time>, Time, AgentId) {
        (self.deployed_at, self.created_at, self.id)
    }
}

/// The default agent of every client: the one deployed last, or the one created last while none was deployed.
#[derive(Debug, Default)]
pub struct DefaultAgents(RwLock<HashMap<ClientId, KnownAgent>>);

impl DefaultAgents {
    /// Makes the agent its client's default if it outranks the current one.
    pub fn insert(&self, agent: KnownAgent) {
        let mut table = self.0.write();
        let known = table.entry(agent.client).or_insert(agent);
        if known.rank() < agent.rank() {
            *known = agent;
        }
    }

    /// Applies newly recorded events of agents.
    pub fn apply(&self, events: &[Recorded]) {
        for event in events.iter().filter(|event| event.stream.category() == AgentId::CATEGORY) {
            let (id, client, at) = (AgentId(event.stream.id()), event.client_id, event.recorded_at);
            let deployed_at = match &*event.event_type {
                "agent.created" => None,
                "agent.deployed" => Some(at),
                _ => continue,
            };
            self.insert(KnownAgent { id, client, deployed_at, created_at: at });
        }
    }

    /// The client's default agent; `None` while the client has no agents.
    #[must_use]
    pub fn of(&self, client: ClientId) -> Option<AgentId> {
        self.0.read().get(&client).map(|agent| agent.id)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_was_last_deployed_comes_before_what_was_last_created() {
        let agents = DefaultAgents::default();
        let (lease_lost, other) = (ClientId(Uuid::from_u128(1)), ClientId(Uuid::from_u128(2)));
        let id = |n| AgentId(Uuid::from_u128(n));
        let at = |seconds| Time::from_timestamp(seconds, 0).unwrap();
        let agent = |n, created: i64, deployed: Option<i64>| {
            agents.insert(KnownAgent {
                id: id(n),
                client: lease_lost,
                deployed_at: deployed.map(at),
                created_at: at(created),
            });
            agents.of(lease_lost)
        };
        assert_eq!(agents.of(lease_lost), None);
        assert_eq!(agent(1, 1, None), Some(id(1)));
        assert_eq!(agent(2, 2, None), Some(id(2)));
        assert_eq!(agent(1, 3, Some(3)), Some(id(1)));
        assert_eq!(agent(3, 9, None), Some(id(1)));
        assert_eq!(agent(3, 10, Some(10)), Some(id(3)));
        assert_eq!(agents.of(other), None);
    }
}
