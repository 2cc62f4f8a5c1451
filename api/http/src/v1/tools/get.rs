//! Endpoint that reads one tool, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::ToolId;
use projections::tools::ToolView;

use super::super::resource::get as get_resource;
use super::resource::ToolResource;
use crate::auth::Caller;
use crate::auth::permissions::ToolsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a tool by its id.
///
/// With `at` or `version`, answers with the tool as it was then.
#[utoipa::path(get, path = "/api/v1/tools/{id}", tag = "tools", operation_id = "getTool",
    params(("id" = String, Path, description = "Id of the tool: `tool_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The tool", body = Enveloped<ToolView>), Problem))]
#[get("/tools/{id}")]
pub(crate) async fn get_tool(
    caller: Caller<ToolsRead>,
    PathId(id): PathId<ToolId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<ToolResource>(&backend, &caller, id, query).await
}
