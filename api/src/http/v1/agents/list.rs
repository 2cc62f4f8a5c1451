//! Many agents.

use actix_web::{get, web};
use projections::agents::AgentView;

use super::super::paging::{self, PageParams};
use crate::http::auth::Caller;
use crate::http::auth::permissions::AgentsRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List agents.
///
/// Newest first unless asked otherwise, each at its newest version.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", operation_id = "listAgents",
    params(PageParams),
    responses((status = 200, description = "A page of agents", body = Listed<AgentView>), Problem))]
#[get("/agents")]
pub(crate) async fn list_agents(
    caller: Caller<AgentsRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    paging::list(query, async |request| backend.views.agents(caller.client, &request).await).await
}
