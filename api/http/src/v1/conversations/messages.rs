//! Endpoint that lists a conversation's messages.

use actix_web::{get, web};
use domain::ids::ConversationId;
use projections::conversations::MessageView;
use projections::said::{Place, SaidPage};

use super::super::paging::{HistoryParams, order};
use crate::auth::Caller;
use crate::auth::permissions::ConversationsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Cursor, Listed, Order, PathId, Query};

/// List a conversation's messages.
///
/// All messages in the order they were said, oldest first unless `order` says otherwise. `seq` numbers them in the
/// order the node received them: a message that a carrier reports late stands where it was said.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", tag = "conversations", operation_id = "listMessages",
    params(("id" = String, Path, description = "Id of the conversation: `conv_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of messages", body = Listed<MessageView>), Problem))]
#[get("/conversations/{id}/messages")]
pub(crate) async fn list_messages(
    caller: Caller<ConversationsRead>,
    PathId(id): PathId<ConversationId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let wanted = query.take::<Order>("order").unwrap_or(Order::Ascending);
    let paging = query.paging();
    query.finish()?;
    let after = paging.cursor.map(|cursor| cursor.read::<Place>()).transpose()?;
    let page = SaidPage { limit: paging.limit as u32, after, order: order(wanted) };
    let rows = backend.views.messages(caller.client, id, page).await.map_err(ApiError::unavailable)?;
    if rows.items.is_empty() && after.is_none() {
        let found = backend
            .views
            .one::<projections::conversations::Conversations>(caller.client, id)
            .await
            .map_err(ApiError::unavailable)?;
        found.ok_or_else(|| ApiError::not_found("conversation"))?;
    }
    let next = rows.next.map(|place| Cursor::after(&place)).transpose()?;
    Ok(Answer::json_list(&rows.items, next))
}
