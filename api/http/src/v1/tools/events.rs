//! A tool's history.

use actix_web::{get, web};
use domain::ids::ToolId;

use super::super::history::{self, HistoryEvent};
use super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::ToolsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List a tool's events.
///
/// The tool's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/tools/{id}/events", tag = "tools", operation_id = "listToolEvents",
    params(("id" = String, Path, description = "Id of the tool: `tool_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/tools/{id}/events")]
pub(crate) async fn list_tool_events(
    caller: Caller<ToolsRead>,
    PathId(id): PathId<ToolId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "tool", query).await
}
