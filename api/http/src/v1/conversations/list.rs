//! Endpoint that lists conversations.

use actix_web::{get, web};
use domain::conversation::Channel;
use projections::conversations::{ConversationFilter, ConversationView};

use super::super::paging::{self, CreatedParams, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::ConversationsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's conversations.
///
/// Newest first unless `order` says otherwise; a conversation must match all filters.
#[utoipa::path(get, path = "/api/v1/conversations", tag = "conversations", operation_id = "listConversations",
    params(
        ("status" = Option<String>, Query,
            description = "Only conversations with this status: active or ended"),
        ("agent_id" = Option<String>, Query,
            description = "Only conversations that began with this agent: `agt_…`"),
        ("call_id" = Option<String>, Query, description = "Only the conversations of this call: `call_…`"),
        ("channel" = Option<String>, Query, description = "Only conversations of this channel: api or voice"),
        ("user_id" = Option<String>, Query, description = "Only conversations with exactly this `user_id`"),
        CreatedParams,
        PageParams),
    responses((status = 200, description = "A page of conversations", body = Listed<ConversationView>), Problem))]
#[get("/conversations")]
pub(crate) async fn list_conversations(
    caller: Caller<ConversationsRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let status = query.text("status");
    let ended = match status.as_deref() {
        Some("active") => Some(false),
        Some("ended") => Some(true),
        Some(_) => {
            query.fault("status", "give active or ended");
            None
        }
        None => None,
    };
    let channel = query.text("channel").and_then(|word| {
        let found = Channel::from_name(&word);
        if found.is_none() {
            query.fault("channel", "give api or voice");
        }
        found
    });
    let filter = ConversationFilter {
        ended,
        agent_id: query.take("agent_id"),
        call_id: query.take("call_id"),
        channel,
        user_id: query.text("user_id"),
        created_after: query.time("created_after"),
        created_before: query.time("created_before"),
    };
    paging::list(query, async |request| backend.views.conversations(caller.client, &filter, &request).await)
        .await
}
