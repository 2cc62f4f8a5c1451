//! An agent's history.

use actix_web::{get, web};
use domain::ids::AgentId;

use super::super::history::{self, HistoryEvent};
use super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::AgentsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List an agent's events.
///
/// The agent's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/agents/{id}/events", tag = "agents", operation_id = "listAgentEvents",
    params(("id" = String, Path, description = "Id of the agent: `agt_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/agents/{id}/events")]
pub(crate) async fn list_agent_events(
    caller: Caller<AgentsRead>,
    PathId(id): PathId<AgentId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "agent", query).await
}
