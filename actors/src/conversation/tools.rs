//! Executes the tool calls of a turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::conversation::{Executed, ToolOutcome};
use domain::envelope::Time;
use domain::ids::{CallId, ClientId, ConversationId, MessageId, ToolId, derive};
use domain::ports::llm::ToolCall;
use domain::ports::tools::{Behalf, ToolAnswer, ToolRunner, ToolUse};
use domain::ports::vault::Vault;
use domain::tool::{AuthKind, ToolAuth};
use domain::webhook::signing::SigningSecret;
use tracing::Instrument as _;

use super::agents::{KnownTool, TurnSetup};
use crate::runtime::Runtime;
use crate::signing::{NotOpened, open_headers, open_secrets};

/// The encryption context that binds the sealed credential of a tool's [`ToolAuth`] to the tool.
#[must_use]
pub fn auth_place(tool: ToolId) -> String {
    format!("{}:auth", tool.stream())
}

/// Executes the tool calls of models.
#[derive(Debug, Clone)]
pub(super) struct Toolbox {
    pub(super) runtime: Runtime,
    pub(super) runner: Arc<dyn ToolRunner>,
    pub(super) vault: Arc<dyn Vault>,
}

fn refused(content: impl Into<String>) -> ToolAnswer {
    ToolAnswer { outcome: ToolOutcome::Refused, status: None, content: content.into() }
}

/// What a round of tool calls belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round<'r> {
    pub(super) client: ClientId,
    pub(super) conversation: ConversationId,
    /// The call the conversation is held on; `None` for a conversation over the API.
    pub(super) call: Option<CallId>,
    pub(super) turn: MessageId,
    /// Number of the round in the turn, from 1.
    pub(super) number: u32,
    pub(super) cast: &'r TurnSetup,
}

impl Toolbox {
    /// Executes all tool calls of a round at the same time. Answers one result for each call, in order.
    pub(super) async fn use_all(&self, round: Round<'_>, calls: &[ToolCall]) -> Vec<Executed> {
        let uses = (0u32..).zip(calls).map(|(n, call)| self.use_one(round, n, call));
        futures::future::join_all(uses).await
    }

    async fn use_one(&self, round: Round<'_>, n: u32, call: &ToolCall) -> Executed {
        let began = Instant::now();
        let id = derive(round.turn.0, &format!("tool {} {n}", round.number));
        let known = round.cast.tools.iter().find(|tool| tool.terms.name == call.name);
        let answer = match known {
            Some(tool) => {
                let span = self.runtime.trace.span(|| {
                    tracing::info_span!(
                        "gen_ai.execute_tool",
                        otel.name = format!("execute_tool {}", tool.terms.name),
                        gen_ai.operation.name = "execute_tool",
                        gen_ai.tool.name = tool.terms.name,
                    )
                });
                self.run(round, tool, id, call).instrument(span).await
            }
            None => refused(format!("there is no tool named {}", call.name)),
        };
        metrics::counter!(domain::metrics::TOOL_USES, "outcome" => answer.outcome.as_str()).increment(1);
        Executed {
            turn: round.turn,
            id: MessageId(self.runtime.ids.next()),
            call_id: call.id.clone(),
            tool: known.map(|tool| tool.id),
            outcome: answer.outcome,
            status: answer.status,
            content: answer.content.into(),
            latency_ms: began.elapsed().as_millis() as u64,
            now: self.runtime.clock.now(),
        }
    }

    async fn run(&self, round: Round<'_>, tool: &KnownTool, id: uuid::Uuid, call: &ToolCall) -> ToolAnswer {
        let now = self.runtime.clock.now();
        let (headers, secrets) = match self.open(round.client, tool, now).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a tool's secret cannot be opened");
                return refused("the tool's credentials cannot be opened just now");
            }
        };
        let terms = &tool.terms;
        let tool = ToolUse {
            id,
            behalf: Behalf {
                client: round.client,
                agent: round.cast.agent.as_ref().map(|(agent, _)| agent.id),
                conversation: round.conversation,
                call: round.call,
                tool: tool.id,
                tool_call: call.id.clone(),
            },
            secrets,
            now,
            url: terms.url.clone(),
            method: terms.method,
            headers,
            timeout: Duration::from_millis(terms.timeout_ms.into()),
            parameters: terms.parameters.clone(),
            arguments: call.arguments.clone(),
        };
        self.runner.run(&tool).await
    }

    /// Decrypts the headers for a tool, and the secrets that are valid for signing at `now`.
    async fn open(
        &self,
        client: ClientId,
        tool: &KnownTool,
        now: Time,
    ) -> Result<(Vec<(String, String)>, Vec<SigningSecret>), NotOpened> {
        let (vault, stream, terms) = (&*self.vault, tool.id.stream(), &tool.terms);
        let own = open_headers(vault, client, &stream, &terms.headers).await?;
        let mut headers: Vec<(String, String)> = own.into_iter().collect();
        if let Some(sealed) = &terms.auth.secret {
            let plain = vault.open(client, &auth_place(tool.id), sealed).await?;
            let secret = String::from_utf8(plain).map_err(|_| NotOpened::Unusable)?;
            headers.extend(credential(&terms.auth, &secret));
        }
        let secrets = open_secrets(vault, client, &stream, tool.secrets.valid(now)).await?;
        Ok((headers, secrets.into_iter().map(|(secret, _)| secret).collect()))
    }
}

/// The header with the credential; `None` for a tool without one.
fn credential(auth: &ToolAuth, secret: &str) -> Option<(String, String)> {
    let name = auth.name.clone().unwrap_or_default();
    match auth.kind {
        AuthKind::None => None,
        AuthKind::Bearer => Some(("authorization".to_owned(), format!("Bearer {secret}"))),
        AuthKind::Basic => {
            let pair = STANDARD.encode(format!("{name}:{secret}"));
            Some(("authorization".to_owned(), format!("Basic {pair}")))
        }
        AuthKind::ApiKey => Some((name, secret.to_owned())),
    }
}
