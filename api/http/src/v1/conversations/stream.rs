//! Endpoint that streams the answer of the current turn.

use actix_web::{HttpRequest, HttpResponse, get, web};
use domain::conversation::MessageRole;
use domain::ids::ConversationId;

use super::super::commands::problem;
use super::resource::talk_problem;
use super::turn_stream::{TurnEvent, last_event, tell};
use crate::auth::Caller;
use crate::auth::permissions::ConversationsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{PathId, Query};

/// Follow the answer of a conversation.
///
/// Server-sent events of the answer that is being generated, or else of the last one; with `Last-Event-ID` only the
/// events after that one.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/stream", tag = "conversations", operation_id = "streamConversation",
    params(("id" = String, Path, description = "Id of the conversation: `conv_…`"),
        ("Last-Event-ID" = Option<String>, Header, description = "Send only the events after this one")),
    responses((status = 200, description = "Server-sent events; each has the form of the schema",
        body = TurnEvent,
        content_type = "text/event-stream"), Problem))]
#[get("/conversations/{id}/stream")]
pub(crate) async fn stream_conversation(
    caller: Caller<ConversationsRead>,
    PathId(id): PathId<ConversationId>,
    query: Query,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    query.finish()?;
    let (state, owner) = backend.conversations.inspect(id, false).await.map_err(problem)?;
    if owner != Some(caller.client) {
        return Err(ApiError::not_found("conversation"));
    }
    let last = || state.window().rev().find(|one| one.role == MessageRole::User).map(|one| one.id);
    let newest = state.turn().map(|turn| turn.id).or_else(last);
    let place = last_event(&http).or(newest.map(|turn| (turn, 0)));
    let (turn, after) = place.ok_or_else(|| ApiError::conflict("nothing was said yet"))?;
    let open = backend.streams.open(caller.client)?;
    let feed = backend.conversations.feed(id, turn).await.map_err(talk_problem)?;
    tell(backend, caller.warrant(), feed, after, open).await
}
