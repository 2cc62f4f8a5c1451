//! An agent as it is copied: its settings, and its tools with what they are authenticated with.

use std::time::Duration;

use domain::agent::AgentTerms;
use domain::ids::{AgentId, ClientId};
use domain::ports::hosted::{HostedAgent, HostedTool};

use super::{HostedDeps, SyncError};
use crate::conversation::{KnownTool, auth_place};
use crate::signing::{NotOpened, open_headers};

impl HostedDeps {
    /// The agent with its tools. A deleted tool is left out.
    pub(super) async fn hosted_agent(
        &self,
        client: ClientId,
        id: AgentId,
        terms: &AgentTerms,
    ) -> Result<HostedAgent, SyncError> {
        let mut tools: Vec<HostedTool> = Vec::new();
        for tool in &terms.tools {
            let known = self.registry.tool(client, *tool).await.map_err(SyncError::Log)?;
            if let Some(known) = known
                && tools.iter().all(|tool| tool.name != known.terms.name)
            {
                tools.push(self.hosted_tool(client, &known).await?);
            }
        }
        Ok(HostedAgent {
            id,
            name: terms.name.clone(),
            system_prompt: terms.system_prompt.clone(),
            temperature_permille: terms.temperature_permille,
            greeting: terms.greeting.clone(),
            voice: terms.voice_id.clone(),
            tools,
        })
    }

    async fn hosted_tool(&self, client: ClientId, tool: &KnownTool) -> Result<HostedTool, SyncError> {
        let (vault, terms) = (&*self.vault, &tool.terms);
        let headers = open_headers(vault, client, &tool.id.stream(), &terms.headers).await?;
        let auth_secret = match &terms.auth.secret {
            None => None,
            Some(sealed) => {
                let plain =
                    vault.open(client, &auth_place(tool.id), sealed).await.map_err(NotOpened::from)?;
                Some(String::from_utf8(plain).map_err(|_| NotOpened::Unusable)?)
            }
        };
        Ok(HostedTool {
            name: terms.name.clone(),
            description: terms.description.clone(),
            parameters: terms.parameters.clone(),
            url: terms.url.clone(),
            method: terms.method,
            timeout: Duration::from_millis(terms.timeout_ms.into()),
            headers: headers.into_iter().collect(),
            auth: terms.auth.kind,
            auth_name: terms.auth.name.clone(),
            auth_secret,
        })
    }
}
