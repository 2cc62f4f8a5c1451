//! Having tools used, as a turn wants it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::conversation::{Executed, ToolOutcome};
use domain::ids::{ClientId, MessageId, ToolId, derive};
use domain::ports::llm::ToolCall;
use domain::ports::tools::{ToolAnswer, ToolRunner, ToolUse};
use domain::ports::vault::{Sealed, Vault};
use domain::tool::{AuthKind, ToolTerms};
use tracing::Instrument as _;

use super::agents::Cast;
use crate::runtime::Runtime;

/// What a tool's own headers are bound to.
#[must_use]
pub fn headers_place(tool: ToolId) -> String {
    format!("{}:headers", tool.stream())
}

/// What a tool's secret is bound to.
#[must_use]
pub fn auth_place(tool: ToolId) -> String {
    format!("{}:auth", tool.stream())
}

/// Uses tools.
#[derive(Debug, Clone)]
pub(super) struct Toolbox {
    pub(super) runtime: Runtime,
    pub(super) runner: Arc<dyn ToolRunner>,
    pub(super) vault: Arc<dyn Vault>,
}

fn refused(content: impl Into<String>) -> ToolAnswer {
    ToolAnswer { outcome: ToolOutcome::Refused, status: None, content: content.into() }
}

impl Toolbox {
    /// Uses the tools of a round, all at once. There is an answer to each.
    pub(super) async fn use_all(
        &self,
        client: ClientId,
        turn: MessageId,
        round: u32,
        calls: &[ToolCall],
        cast: &Cast,
    ) -> Vec<Executed> {
        let uses = (0u32..).zip(calls).map(|(n, call)| self.use_one(client, turn, (round, n), call, cast));
        futures::future::join_all(uses).await
    }

    async fn use_one(
        &self,
        client: ClientId,
        turn: MessageId,
        (round, n): (u32, u32),
        call: &ToolCall,
        cast: &Cast,
    ) -> Executed {
        let began = Instant::now();
        let id = derive(turn.0, &format!("tool {round} {n}"));
        let known = cast.tools.iter().find(|(_, terms)| terms.name == call.name);
        let answer = match known {
            Some((tool, terms)) => {
                let span = self.runtime.trace.span(|| {
                    tracing::info_span!(
                        "gen_ai.execute_tool",
                        otel.name = format!("execute_tool {}", terms.name),
                        gen_ai.operation.name = "execute_tool",
                        gen_ai.tool.name = terms.name,
                    )
                });
                self.run(client, *tool, terms, id, call).instrument(span).await
            }
            None => refused(format!("there is no tool named {}", call.name)),
        };
        metrics::counter!(domain::metrics::TOOL_USES, "outcome" => answer.outcome.as_str()).increment(1);
        Executed {
            turn,
            id: MessageId(self.runtime.ids.next()),
            call_id: call.id.clone(),
            tool: known.map(|(tool, _)| *tool),
            outcome: answer.outcome,
            status: answer.status,
            content: answer.content.into(),
            latency_ms: began.elapsed().as_millis() as u64,
            now: self.runtime.clock.now(),
        }
    }

    async fn run(
        &self,
        client: ClientId,
        tool: ToolId,
        terms: &ToolTerms,
        id: uuid::Uuid,
        call: &ToolCall,
    ) -> ToolAnswer {
        let Ok(headers) = self.headers(client, tool, terms).await else {
            return refused("the tool's credentials cannot be opened just now");
        };
        let tool = ToolUse {
            id,
            url: terms.url.clone(),
            method: terms.method,
            headers,
            timeout: Duration::from_millis(terms.timeout_ms.into()),
            parameters: terms.parameters.clone(),
            arguments: call.arguments.clone(),
        };
        self.runner.run(&tool).await
    }

    async fn open(&self, client: ClientId, place: &str, sealed: &Sealed) -> Result<Vec<u8>, ()> {
        self.vault.open(client, place, sealed).await.map_err(|error| {
            tracing::warn!(%error, "a tool's secret cannot be opened");
        })
    }

    async fn headers(
        &self,
        client: ClientId,
        tool: ToolId,
        terms: &ToolTerms,
    ) -> Result<Vec<(String, String)>, ()> {
        let mut headers: Vec<(String, String)> = Vec::new();
        if let Some(sealed) = &terms.headers.sealed {
            let plain = self.open(client, &headers_place(tool), sealed).await?;
            let own: BTreeMap<String, String> = serde_json::from_slice(&plain).map_err(drop)?;
            headers.extend(own);
        }
        if let Some(sealed) = &terms.auth.secret {
            let plain = self.open(client, &auth_place(tool), sealed).await?;
            let secret = String::from_utf8(plain).map_err(drop)?;
            let name = terms.auth.name.clone().unwrap_or_default();
            headers.extend(match terms.auth.kind {
                AuthKind::None => None,
                AuthKind::Bearer => Some(("authorization".to_owned(), format!("Bearer {secret}"))),
                AuthKind::Basic => {
                    let pair = STANDARD.encode(format!("{name}:{secret}"));
                    Some(("authorization".to_owned(), format!("Basic {pair}")))
                }
                AuthKind::ApiKey => Some((name, secret)),
            });
        }
        Ok(headers)
    }
}
