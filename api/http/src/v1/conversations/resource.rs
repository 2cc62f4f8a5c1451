//! How the generic resource code reads conversations and answers their refusals.

use actors::conversation::ConversationError;
use domain::conversation::{Conversation, ConversationRefusal};
use domain::ids::{ClientId, ConversationId};
use projections::conversations::Conversations;

use super::super::commands::{AsProblem, problem};
use super::super::recipe::{Recipe, Wording};
use super::super::resource::Resource;
use crate::auth::permissions::ConversationsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Code};

#[derive(Debug)]
pub(crate) struct ConversationResource;

impl Resource for ConversationResource {
    type Id = ConversationId;
    type Rules = Conversation;
    type View = Conversations;
}

impl Recipe for ConversationResource {
    type Read = ConversationsRead;

    const WORDING: Wording = Wording {
        path: "/conversations",
        tag: "conversations",
        operation: "Conversation",
        one: "a conversation",
        noun: "conversation",
        many: "conversations",
        about_list: "",
    };
}

impl AsProblem for ConversationRefusal {
    const KIND: &'static str = "conversation";

    fn as_problem(&self) -> ApiError {
        match self {
            ConversationRefusal::Unknown => ApiError::not_found(Self::KIND),
            ConversationRefusal::Ended => ApiError::new(Code::ConversationEnded, self.to_string()),
            ConversationRefusal::TurnUnderWay => ApiError::new(Code::TurnUnderWay, self.to_string()),
            ConversationRefusal::TurnOver | ConversationRefusal::Exists => {
                ApiError::conflict(self.to_string())
            }
            ConversationRefusal::Invalid(field, detail) => ApiError::invalid(*field, "invalid", *detail),
        }
    }
}

/// The error for a turn that could not start.
pub(super) fn talk_problem(error: ConversationError) -> ApiError {
    match error {
        ConversationError::Command(error) => problem(error),
        ConversationError::UnknownAgent => ApiError::invalid("agent_id", "unknown", "there is no such agent"),
        ConversationError::Log(error) => ApiError::unavailable(error),
        ConversationError::Busy => ApiError::overloaded(std::time::Duration::from_secs(1)),
    }
}

/// Checks in the log, because a view may trail, that the client has this conversation. Answers 404 when it has not.
pub(super) async fn exists(backend: &Backend, client: ClientId, id: ConversationId) -> Result<(), ApiError> {
    let (state, owner) = backend.conversations.inspect(id, false).await.map_err(problem)?;
    let own = state.exists() && owner == Some(client);
    if own { Ok(()) } else { Err(ApiError::not_found(ConversationRefusal::KIND)) }
}
