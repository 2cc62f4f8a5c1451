//! A conversation's history.

use actix_web::{get, web};
use domain::ids::ConversationId;

use super::super::history::{self, HistoryEvent};
use super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::ConversationsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List a conversation's events.
///
/// The conversation's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/events", tag = "conversations", operation_id = "listConversationEvents",
    params(("id" = String, Path, description = "Id of the conversation: `conv_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/conversations/{id}/events")]
pub(crate) async fn list_conversation_events(
    caller: Caller<ConversationsRead>,
    PathId(id): PathId<ConversationId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "conversation", query).await
}
