//! Endpoint that ends a conversation.

use actix_web::{post, web};
use domain::conversation::{ConversationCommand, EndedFor};
use domain::ids::ConversationId;
use projections::conversations::ConversationView;

use super::super::commands::{context, problem};
use super::super::resource::written;
use super::resource::ConversationResource;
use crate::auth::Caller;
use crate::auth::permissions::ConversationsWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, RequestContext};

/// End a running conversation.
///
/// It takes no more messages, and an answer that is being generated is cancelled. The conversation
/// can still be read.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/end", tag = "conversations", operation_id = "endConversation",
    params(("id" = String, Path, description = "Id of the conversation: `conv_…`")),
    responses((status = 200, description = "The conversation, now ended",
        body = Enveloped<ConversationView>), Problem))]
#[post("/conversations/{id}/end")]
pub(crate) async fn end_conversation(
    caller: Caller<ConversationsWrite>,
    PathId(id): PathId<ConversationId>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let end = ConversationCommand::End { reason: EndedFor::Asked, now: backend.runtime.clock.now() };
    let context = context(&caller, &request, id.0);
    let receipt = backend.conversations.execute(id, end, context, None).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    written::<ConversationResource>(&backend, &caller, id, receipt).await
}
