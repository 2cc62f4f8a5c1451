//! Endpoint that reads one agent, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::AgentId;
use projections::agents::AgentView;

use super::super::resource::get as get_resource;
use super::resource::AgentResource;
use crate::auth::Caller;
use crate::auth::permissions::AgentsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get an agent by its id.
///
/// With `at` or `version`, answers with the agent as it was then.
#[utoipa::path(get, path = "/api/v1/agents/{id}", tag = "agents", operation_id = "getAgent",
    params(("id" = String, Path, description = "Id of the agent: `agt_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The agent", body = Enveloped<AgentView>), Problem))]
#[get("/agents/{id}")]
pub(crate) async fn get_agent(
    caller: Caller<AgentsRead>,
    PathId(id): PathId<AgentId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<AgentResource>(&backend, &caller, id, query).await
}
