//! Endpoint that lists agents.

use actix_web::{get, web};
use domain::model::Provider;
use projections::agents::AgentView;
use projections::agents::STATUSES;
use projections::words::each;

use super::super::paging::{self, CreatedParams, Filter, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::AgentsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's agents.
///
/// Newest first unless `order` says otherwise, each agent at its newest version.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", operation_id = "listAgents",
    params(("provider" = Option<String>, Query,
            description = "Only agents that use this language model provider"),
        ("status" = Option<String>, Query, description = "Only agents with this status: draft or deployed"),
        CreatedParams, PageParams),
    responses((status = 200, description = "A page of agents", body = Listed<AgentView>), Problem))]
#[get("/agents")]
pub(crate) async fn list_agents(
    caller: Caller<AgentsRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(
        query,
        [
            Filter::word("provider", each(&Provider::ALL, Provider::as_str)),
            Filter::word("status", STATUSES.to_vec()),
        ],
    )?;
    let page = backend.views.agents(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}
