//! What is told of things that happen in a conversation and are no resource themselves.

use domain::conversation::{FunctionExecuted, ToolOutcome};
use domain::ids::{AgentId, ConversationId, MessageId, ToolId};
use serde::Serialize;
use utoipa::ToSchema;

/// A tool that an agent used.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = FunctionExecution)]
pub struct FunctionView {
    /// In which conversation.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub conversation_id: ConversationId,
    /// The agent.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// The result, as a message of the conversation.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub message_id: MessageId,
    /// The tool; `null`: there is none of that name.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub tool_id: Option<ToolId>,
    /// The tool's name.
    pub name: String,
    /// `succeeded`, `failed`, `timed_out` or `refused`.
    #[schema(value_type = crate::words::ToolOutcome)]
    pub outcome: ToolOutcome,
    /// The HTTP status it answered with.
    #[schema(required)]
    pub status_code: Option<u16>,
    /// How long it took.
    pub latency_ms: u64,
    /// What the model was told; `[erased]` once erased.
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
