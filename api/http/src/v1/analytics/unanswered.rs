//! Endpoint that lists the questions for which nothing was found in the knowledge bases.

use actix_web::{get, web};
use domain::ids::AgentId;
use projections::conversations::UnansweredView;
use projections::page::PageRequest;

use super::super::paging::{self, CreatedParams, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::ConversationsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, EdgeId, Listed, Query};

/// List the questions for which nothing was found in the knowledge bases.
///
/// Newest first unless `order` says otherwise. What the knowledge bases of your agents lack: each with what was answered all
/// the same.
#[utoipa::path(get, path = "/api/v1/analytics/unanswered", tag = "analytics", operation_id = "listUnanswered",
    params(
        ("agent_id" = Option<String>, Query, description = "Only questions to this agent: `agt_…`"),
        CreatedParams,
        PageParams),
    responses((status = 200, description = "A page of questions", body = Listed<UnansweredView>), Problem))]
#[get("/analytics/unanswered")]
pub(crate) async fn list_unanswered(
    caller: Caller<ConversationsRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let agent = query.take::<EdgeId<AgentId>>("agent_id").map(|id| id.0);
    let (created_after, created_before) = (query.time("created_after"), query.time("created_before"));
    paging::list(query, async |request| {
        let page = PageRequest { created_after, created_before, ..request };
        backend.views.unanswered(caller.client, agent, &page).await
    })
    .await
}
