//! Who talks, and what they may use, as they are now.

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

/// Reads agents and tools. The few events of each are read each time, so that a change holds at once and on every node.
#[derive(Debug, Clone)]
pub struct AgentDesk {
    runtime: Runtime,
}

/// A tool that may be used.
#[derive(Debug, Clone)]
pub struct KnownTool {
    pub id: ToolId,
    pub terms: Arc<ToolTerms>,
    /// What signs its requests; empty where it is older than signatures.
    pub secrets: HeldSecrets,
}

/// Who takes part in a turn.
#[derive(Debug, Clone, Default)]
pub struct Cast {
    /// The agent, as it is.
    pub agent: Option<(AgentRef, Arc<AgentTerms>)>,
    /// Which models may answer.
    pub models: Vec<ModelRef>,
    /// What may be used.
    pub tools: Vec<KnownTool>,
}

impl Cast {
    /// What the model is told before anything else.
    #[must_use]
    pub fn system_prompt(&self) -> &str {
        self.agent.as_ref().map_or("", |(_, terms)| &terms.system_prompt)
    }

    /// The tools, as a model is told of them.
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

impl AgentDesk {
    /// A desk.
    #[must_use]
    pub fn new(runtime: Runtime) -> Self {
        Self { runtime }
    }

    /// The version of a client's agent that conversations run; nothing when it has none of that id.
    ///
    /// # Errors
    /// What is wrong with the log.
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

    /// The newest terms of a client's agent; nothing when it has none of that id.
    ///
    /// # Errors
    /// What is wrong with the log.
    pub async fn newest(&self, client: ClientId, id: AgentId) -> Result<Option<AgentTerms>, String> {
        let mut session = Session::<Agent>::new(self.runtime.clone(), id.stream());
        session.refresh().await.map_err(|error| error.to_string())?;
        let own = session.client() == Some(client);
        Ok(session.state().newest().filter(|_| own).map(|(_, terms)| terms.clone()))
    }

    /// A client's tool, while it exists.
    ///
    /// # Errors
    /// What is wrong with the log.
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

    /// Who takes part with this agent. A tool that is gone is left out, as is the second of one name.
    ///
    /// # Errors
    /// What is wrong with the log.
    pub async fn cast(&self, client: ClientId, agent: (AgentRef, Arc<AgentTerms>)) -> Result<Cast, String> {
        let mut tools: Vec<KnownTool> = Vec::new();
        for id in &agent.1.tools {
            if let Some(tool) = self.tool(client, *id).await?
                && tools.iter().all(|known| known.terms.name != tool.terms.name)
            {
                tools.push(tool);
            }
        }
        Ok(Cast { models: agent.1.models(), agent: Some(agent), tools })
    }
}
