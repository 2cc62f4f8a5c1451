//! Agents and calls at a hosted voice runtime, under this node's history: what the outbox does there.

mod copy;
mod sync;

use std::sync::Arc;

use domain::ports::hosted::{AgentCatalogue, HostedAgents};
use domain::ports::telephony::{CarrierError, Telephony};
use domain::ports::vault::Vault;

use crate::conversation::AgentRegistry;
use crate::runtime::Runtime;
use crate::signing::NotOpened;

/// What it takes to run agents at a hosted voice runtime.
#[derive(Debug, Clone)]
pub struct HostedDeps {
    pub runtime: Runtime,
    /// Calls of the runtime's.
    pub telephony: Arc<dyn Telephony>,
    /// Copies of agents at the runtime.
    pub agents: Arc<dyn HostedAgents>,
    /// Knows which agents a client has.
    pub catalogue: Arc<dyn AgentCatalogue>,
    pub registry: AgentRegistry,
    /// Decrypts what the agents' tools are authenticated with.
    pub vault: Arc<dyn Vault>,
}

/// Why an agent's copy was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Runtime(#[from] CarrierError),
    #[error("the log cannot be read or written: {0}")]
    Log(String),
    #[error("a tool's secrets cannot be opened")]
    Secrets(#[from] NotOpened),
    /// Something of ours must come first.
    #[error("{0}")]
    NotYet(&'static str),
}
