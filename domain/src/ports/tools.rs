//! Having tools used: a client's own systems, asked over HTTP.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::conversation::ToolOutcome;
use crate::envelope::Time;
use crate::ids::{AgentId, CallId, ClientId, ConversationId, ToolId, encode_type_id};
use crate::tool::ToolMethod;
use crate::webhook::signing::SigningSecret;

/// The longest answer of a tool's that a model is told, in bytes.
pub const MAX_RESULT: usize = 32 << 10;
/// The longest arguments a model may give, in bytes of JSON.
pub const MAX_ARGUMENTS: usize = 64 << 10;

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// What is wrong with it.
    #[error("{0}")]
    Invalid(String),
    /// Too many schemas are being looked at: it can be asked again soon.
    #[error("too many schemas are being looked at, try again soon")]
    Busy,
}

/// The longest id of a tool call that is told in a header, in bytes.
const MAX_CALL_ID: usize = 200;

/// For whom a tool is used. Its server is told in headers, so that it knows whose data to open, whatever a model
/// writes into the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behalf {
    pub client: ClientId,
    /// `None` in conversations that began without one.
    pub agent: Option<AgentId>,
    pub conversation: ConversationId,
    /// The call the conversation is held on; `None` where it is held in writing.
    pub call: Option<CallId>,
    pub tool: ToolId,
    /// This use of the tool, as the conversation's `tool_calls` name it: a model's own text.
    pub tool_call: String,
}

impl Behalf {
    /// The headers, of those ids that there are. A model's text that does not fit into a header is left out.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let Self { client, agent, conversation, call, tool, tool_call } = self;
        let fits =
            (1..=MAX_CALL_ID).contains(&tool_call.len()) && tool_call.bytes().all(|c| c.is_ascii_graphic());
        let all = [
            ("x-voxledger-client-id", Some(client.to_string())),
            ("x-voxledger-agent-id", agent.map(|id| id.to_string())),
            ("x-voxledger-conversation-id", Some(conversation.to_string())),
            ("x-voxledger-call-id", call.map(|id| id.to_string())),
            ("x-voxledger-tool-id", Some(tool.to_string())),
            ("x-voxledger-tool-call-id", fits.then(|| tool_call.clone())),
        ];
        all.into_iter().filter_map(|(name, id)| Some((name, id?))).collect()
    }
}

/// A tool to be used.
#[derive(Clone)]
pub struct ToolUse {
    /// The same on every attempt: `Idempotency-Key`, and `webhook-id` where the request is signed.
    pub id: Uuid,
    pub behalf: Behalf,
    /// What signs the request, the newest first; none: it is not signed.
    pub secrets: Vec<SigningSecret>,
    /// The time of the signature, by our clock.
    pub now: Time,
    /// Where.
    pub url: String,
    /// How.
    pub method: ToolMethod,
    /// Names in lower case, and values; credentials among them.
    pub headers: Vec<(String, String)>,
    /// At most so long.
    pub timeout: Duration,
    /// JSON Schema of the arguments.
    pub parameters: Value,
    /// JSON, as the model wrote it.
    pub arguments: String,
}

impl ToolUse {
    /// The `webhook-id` of its request: the same on every attempt.
    #[must_use]
    pub fn message_id(&self) -> String {
        encode_type_id("tuse", self.id)
    }
}

impl fmt::Debug for ToolUse {
    // headers hold credentials, arguments what was said
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolUse").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolAnswer {
    /// How it ended.
    pub outcome: ToolOutcome,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What the model is told: the answer, or what was wrong. At most [`MAX_RESULT`] bytes.
    pub content: String,
}

impl fmt::Debug for ToolAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolAnswer").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// Has tools used. An address that may not be reached is refused, judged by the address that is really connected
/// to; no redirect is followed; everything takes bounded time and memory.
#[async_trait]
pub trait ToolRunner: fmt::Debug + Send + Sync {
    /// Whether this is a JSON Schema that arguments can be checked against in bounded time and memory. What it
    /// refers to elsewhere is never fetched.
    ///
    /// # Errors
    /// What is wrong with it, or [`SchemaFault::Busy`].
    async fn check_schema(&self, schema: &Value) -> Result<(), SchemaFault>;

    /// Uses a tool, if the arguments fit. There is always an outcome.
    async fn run(&self, tool: &ToolUse) -> ToolAnswer;
}
