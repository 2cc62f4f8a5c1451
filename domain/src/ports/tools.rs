//! Runs tools: functions of a client's own systems, called over HTTP.

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

/// Longest answer of a tool that a model gets, in bytes.
pub const MAX_RESULT: usize = 32 << 10;
/// The longest arguments a model may give, in bytes of JSON.
pub const MAX_ARGUMENTS: usize = 64 << 10;

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// What is wrong with it.
    #[error("{0}")]
    Invalid(String),
    /// Too many schemas are being checked: try again soon.
    #[error("too many schemas are being looked at, try again soon")]
    Busy,
}

/// Longest id of a tool call that is sent in a header, in bytes.
const MAX_CALL_ID: usize = 200;

/// On whose behalf a tool runs. Its server gets these ids in headers, so that it knows whose data to open,
/// whatever a model writes into the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behalf {
    pub client: ClientId,
    /// `None` in conversations that began without an agent.
    pub agent: Option<AgentId>,
    pub conversation: ConversationId,
    /// The call the conversation is held on; `None` for a text chat.
    pub call: Option<CallId>,
    pub tool: ToolId,
    /// Id of this tool call, as in the conversation's `tool_calls`: a model's own text.
    pub tool_call: String,
}

impl Behalf {
    /// The headers for the ids that are set. A tool call's id that does not fit into a header is left out.
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

/// One run of a tool, as requested.
#[derive(Clone)]
pub struct ToolUse {
    /// Idempotency id, the same on every attempt: `Idempotency-Key`, and `webhook-id` where the request is signed.
    pub id: Uuid,
    pub behalf: Behalf,
    /// Secrets that sign the request, the newest first; if empty, the request is not signed.
    pub secrets: Vec<SigningSecret>,
    /// Time of the signature, by the node's clock.
    pub now: Time,
    pub url: String,
    pub method: ToolMethod,
    /// Names in lower case and values, which may be credentials.
    pub headers: Vec<(String, String)>,
    pub timeout: Duration,
    /// JSON Schema of the arguments.
    pub parameters: Value,
    /// JSON as the model wrote it.
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

/// Result of a run of a tool.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolAnswer {
    pub outcome: ToolOutcome,
    /// HTTP status; `None` without an answer.
    pub status: Option<u16>,
    /// What the model gets: the answer, or what was wrong. At most [`MAX_RESULT`] bytes.
    pub content: String,
}

impl fmt::Debug for ToolAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolAnswer").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// Runs tools. Refuses an address that may not be reached, judged by the address it really connects to; follows no
/// redirect; takes bounded time and memory.
#[async_trait]
pub trait ToolRunner: fmt::Debug + Send + Sync {
    /// Checks that this is a JSON Schema against which arguments can be checked in bounded time and memory.
    /// References to other documents are never fetched. Fails with what is wrong, or with [`SchemaFault::Busy`].
    async fn check_schema(&self, schema: &Value) -> Result<(), SchemaFault>;

    /// Runs a tool, if the arguments fit its schema. There is always an outcome.
    async fn run(&self, tool: &ToolUse) -> ToolAnswer;
}
