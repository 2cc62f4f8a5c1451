//! The agents and tools of a conversation, as they are now.

use std::sync::Arc;

use domain::agent::{Agent, AgentTerms};
use domain::conversation::AgentRef;
use domain::ids::{AgentId, ClientId, ToolId};
use domain::model::ModelRef;
use domain::ports::llm::ToolSpec;
use domain::tool::{Tool, ToolTerms};
use domain::webhook::secrets::HeldSecrets;

use crate::runtime::Runtime;
use crate::session::Session;

/// Reads agents and tools from the log. Each has few events, which are read every time, so that a change takes
/// effect at once and on every node.
#[derive(Debug, Clone)]
pub struct AgentRegistry {
    runtime: Runtime,
}

/// A tool that an agent may call.
#[derive(Debug, Clone)]
pub struct KnownTool {
    pub id: ToolId,
    pub terms: Arc<ToolTerms>,
    /// Secrets that sign requests to the tool; empty for a tool created before requests were signed.
    pub secrets: HeldSecrets,
}

/// The agent, models and tools of one turn.
#[derive(Debug, Clone, Default)]
pub struct TurnSetup {
    /// The agent's deployed version and its settings; `None` for a conversation without an agent.
    pub agent: Option<(AgentRef, Arc<AgentTerms>)>,
    /// Models that may answer, tried in this order.
    pub models: Vec<ModelRef>,
    /// Tools that the agent may call.
    pub tools: Vec<KnownTool>,
}

impl TurnSetup {
    /// The agent's system prompt; empty without an agent.
    #[must_use]
    pub fn system_prompt(&self) -> &str {
        self.agent.as_ref().map_or("", |(_, terms)| &terms.system_prompt)
    }

    /// The tools as they are described to a model.
    #[must_use]
    pub fn specs(&self) -> Vec<ToolSpec> {
        let spec = |tool: &KnownTool| ToolSpec {
            name: tool.terms.name.clone(),
            description: tool.terms.description.clone(),
            parameters: tool.terms.parameters.clone(),
        };
        self.tools.iter().map(spec).collect()
    }
}

impl AgentRegistry {
    #[must_use]
    pub fn new(runtime: Runtime) -> Self {
        Self { runtime }
    }

    /// The version of a client's agent that conversations run; `None` when the client has no agent with this id.
    /// Fails with a description when the log cannot be read.
    pub async fn live(
        &self,
        client: ClientId,
        id: AgentId,
    ) -> Result<Option<(AgentRef, Arc<AgentTerms>)>, String> {
        let mut session = Session::<Agent>::new(self.runtime.clone(), id.stream());
        session.refresh().await.map_err(|error| error.to_string())?;
        if session.client() != Some(client) {
            return Ok(None);
        }
        let live = session.state().live();
        Ok(live.map(|(version, terms)| (AgentRef { id, version }, Arc::new(terms.clone()))))
    }

    /// The newest settings of a client's agent, deployed or not; `None` when the client has no agent with this id.
    /// Fails with a description when the log cannot be read.
    pub async fn newest(&self, client: ClientId, id: AgentId) -> Result<Option<AgentTerms>, String> {
        let mut session = Session::<Agent>::new(self.runtime.clone(), id.stream());
        session.refresh().await.map_err(|error| error.to_string())?;
        let own = session.client() == Some(client);
        Ok(session.state().newest().filter(|_| own).map(|(_, terms)| terms.clone()))
    }

    /// A client's tool; `None` once it is deleted. Fails with a description when the log cannot be read.
    pub async fn tool(&self, client: ClientId, id: ToolId) -> Result<Option<KnownTool>, String> {
        let mut session = Session::<Tool>::new(self.runtime.clone(), id.stream());
        session.refresh().await.map_err(|error| error.to_string())?;
        let own = session.client() == Some(client);
        let tool = session.state();
        let known = |terms: &ToolTerms| KnownTool {
            id,
            terms: Arc::new(terms.clone()),
            secrets: tool.secrets().clone(),
        };
        Ok(tool.terms().filter(|_| own).map(known))
    }

    /// The models and tools of this agent. A deleted tool is left out, and so is the second of two tools with the
    /// same name. Fails with a description when the log cannot be read.
    pub async fn cast(
        &self,
        client: ClientId,
        agent: (AgentRef, Arc<AgentTerms>),
    ) -> Result<TurnSetup, String> {
        let mut tools: Vec<KnownTool> = Vec::new();
        for id in &agent.1.tools {
            if let Some(tool) = self.tool(client, *id).await?
                && tools.iter().all(|known| known.terms.name != tool.terms.name)
            {
                tools.push(tool);
            }
        }
        Ok(TurnSetup { models: agent.1.models(), agent: Some(agent), tools })
    }
}
