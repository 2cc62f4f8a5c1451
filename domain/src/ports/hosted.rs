//! The agents of a hosted voice runtime: copies of ours, in an account of the client's or of the node's.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::StoreUnavailable;
use super::telephony::CarrierError;
use crate::agent::sync::Difference;
use crate::envelope::Position;
use crate::ids::{AgentId, ClientId};
use crate::tool::{AuthKind, ToolMethod};

/// An agent as it is copied to the runtime. `Debug` leaves out what its tools are authenticated with.
#[derive(Debug, Clone)]
pub struct HostedAgent {
    pub id: AgentId,
    pub name: String,
    pub system_prompt: String,
    /// In thousandths; `None` is the runtime's default.
    pub temperature_permille: Option<u16>,
    /// What it says if nobody speaks first.
    pub greeting: Option<String>,
    /// The runtime's id or unique name of a voice; `None` is its default.
    pub voice: Option<String>,
    pub tools: Vec<HostedTool>,
}

/// A tool that the runtime calls by itself.
#[derive(Clone)]
pub struct HostedTool {
    pub name: String,
    pub description: String,
    /// JSON Schema of its arguments: an object.
    pub parameters: Value,
    pub url: String,
    pub method: ToolMethod,
    pub timeout: Duration,
    /// Headers of every request, decrypted.
    pub headers: Vec<(String, String)>,
    pub auth: AuthKind,
    /// The header of a key, or the user of a password.
    pub auth_name: Option<String>,
    /// The token, password or key, decrypted.
    pub auth_secret: Option<String>,
}

impl fmt::Debug for HostedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedTool").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A copy at the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAgent {
    /// The runtime's id of it.
    pub remote_id: String,
    /// The runtime's id of the revision, where it names one.
    pub revision: Option<String>,
    /// Where it differs from ours; empty after it was written.
    pub differences: Vec<Difference>,
}

/// The agents of a hosted voice runtime. One attempt a call, as with carriers. `account` is a version of the client's
/// provider account, or 0 for the node's own.
#[async_trait]
pub trait HostedAgents: fmt::Debug + Send + Sync {
    /// The account that the client's calls go through now; `None` without any.
    async fn account(&self, client: ClientId) -> Result<Option<u64>, CarrierError>;

    /// Looks for the agent's copy by our id in its name, after the answer to a creation may have been lost.
    async fn find(
        &self,
        client: ClientId,
        account: u64,
        agent: &HostedAgent,
    ) -> Result<Option<RemoteAgent>, CarrierError>;

    /// Reads a copy, and compares it with the agent; `None` if it is gone, or is in another account.
    async fn read(
        &self,
        client: ClientId,
        account: u64,
        remote_id: &str,
        agent: &HostedAgent,
    ) -> Result<Option<RemoteAgent>, CarrierError>;

    /// Creates a copy. A repeat creates another one: look for it first.
    async fn create(
        &self,
        client: ClientId,
        account: u64,
        agent: &HostedAgent,
    ) -> Result<RemoteAgent, CarrierError>;

    /// Overwrites a copy with the agent as it is; a repeat changes nothing more.
    async fn update(
        &self,
        client: ClientId,
        account: u64,
        remote_id: &str,
        agent: &HostedAgent,
    ) -> Result<RemoteAgent, CarrierError>;

    /// Deletes a copy for ever. One that is gone already is no error.
    async fn delete(&self, client: ClientId, account: u64, remote_id: &str) -> Result<(), CarrierError>;
}

/// Which agents there are.
#[async_trait]
pub trait AgentCatalogue: fmt::Debug + Send + Sync {
    /// All agents of a client, as of `position` or later; `None` while that is not known yet.
    async fn agents_of(
        &self,
        client: ClientId,
        position: Position,
    ) -> Result<Option<Vec<AgentId>>, StoreUnavailable>;
}
