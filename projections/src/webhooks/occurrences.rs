//! Public events about things that happen in a conversation and are no resource of their own.

use domain::conversation::{FunctionExecuted, ToolOutcome};
use domain::ids::{AgentId, ConversationId, MessageId, ToolId};
use serde::Serialize;
use utoipa::ToSchema;

/// The execution of a tool that an agent called.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = FunctionExecution)]
pub struct FunctionView {
    /// Conversation in which the tool was called: TypeID `conv_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub conversation_id: ConversationId,
    /// Agent that called the tool: TypeID `agt_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// Message of the conversation that holds the result: TypeID `msg_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub message_id: MessageId,
    /// The called tool: TypeID `tool_…`; `null` when there is none of that name.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub tool_id: Option<ToolId>,
    /// Name of the called tool.
    pub name: String,
    /// Outcome of the tool call: `succeeded`, `failed`, `timed_out` or `refused`.
    #[schema(value_type = crate::words::ToolOutcome)]
    pub outcome: ToolOutcome,
    /// HTTP status that the tool answered with.
    #[schema(required)]
    pub status_code: Option<u16>,
    /// How long the tool call took, in milliseconds.
    pub latency_ms: u64,
    /// Result that the model was given; `[erased]` once erased.
    #[schema(required)]
    pub result: Option<String>,
}

impl FunctionView {
    pub(super) fn of(
        conversation_id: ConversationId,
        agent_id: Option<AgentId>,
        fact: FunctionExecuted,
    ) -> Self {
        Self {
            conversation_id,
            agent_id,
            message_id: fact.id,
            tool_id: fact.tool,
            name: fact.name,
            outcome: fact.outcome,
            status_code: fact.status,
            latency_ms: fact.latency_ms,
            result: fact.content.shown(String::clone),
        }
    }
}
