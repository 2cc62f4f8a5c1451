//! Endpoint that deletes a tool.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, web};
use domain::ids::ToolId;
use domain::tool::ToolCommand;

use super::super::resource::execute;
use super::resource::ToolResource;
use crate::auth::Caller;
use crate::auth::permissions::ToolsWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Remove a tool from the client.
///
/// Agents that have it continue without it. Its event history stays.
#[utoipa::path(delete, path = "/api/v1/tools/{id}", tag = "tools", operation_id = "deleteTool",
    params(("id" = String, Path, description = "Id of the tool: `tool_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the tool, else 412; not checked, if left out")),
    responses((status = 204, description = "The tool was removed"), Problem))]
#[delete("/tools/{id}")]
pub(crate) async fn delete_tool(
    caller: Caller<ToolsWrite>,
    PathId(id): PathId<ToolId>,
    if_match: IfMatch,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let delete = ToolCommand::Delete { origin: ip.origin(), now: backend.runtime.clock.now() };
    execute::<ToolResource>(&backend, &caller, &request, id, Some(&if_match), &delete).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
