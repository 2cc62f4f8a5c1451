//! Endpoint that reads one conversation, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::ConversationId;
use projections::conversations::ConversationView;

use super::super::resource::get as get_resource;
use super::resource::ConversationResource;
use crate::auth::Caller;
use crate::auth::permissions::ConversationsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a conversation by its id.
///
/// With `at` or `version`, answers with the conversation as it was then.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", tag = "conversations", operation_id = "getConversation",
    params(("id" = String, Path, description = "Id of the conversation: `conv_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The conversation", body = Enveloped<ConversationView>), Problem))]
#[get("/conversations/{id}")]
pub(crate) async fn get_conversation(
    caller: Caller<ConversationsRead>,
    PathId(id): PathId<ConversationId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<ConversationResource>(&backend, &caller, id, query).await
}
