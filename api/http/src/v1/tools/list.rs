//! Endpoint that lists tools.

use actix_web::{get, web};
use projections::tools::ToolView;

use super::super::paging::{self, CreatedParams, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::ToolsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's tools.
///
/// Newest first unless `order` says otherwise.
#[utoipa::path(get, path = "/api/v1/tools", tag = "tools", operation_id = "listTools",
    params(CreatedParams, PageParams),
    responses((status = 200, description = "A page of tools", body = Listed<ToolView>), Problem))]
#[get("/tools")]
pub(crate) async fn list_tools(
    caller: Caller<ToolsRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(query, [])?;
    let page = backend.views.tools(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}
