//! Endpoint that deploys a version of an agent.

use actix_web::{post, web};
use domain::agent::AgentCommand;
use domain::envelope::Version;
use domain::ids::AgentId;
use projections::agents::AgentView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::resource::change;
use super::resource::AgentResource;
use crate::auth::Caller;
use crate::auth::permissions::AgentsWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, OptionalJson, PathId, RequestContext};

/// Version of an agent to deploy.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deployment {
    /// Version number to deploy; the newest, if left out. The last 50 versions can be deployed.
    #[schema(minimum = 1)]
    version: Option<u64>,
}

/// Deploy a version of an agent.
///
/// Conversations run that version from their next answer on. The request body may be left out.
#[utoipa::path(post, path = "/api/v1/agents/{id}/deploy", tag = "agents", operation_id = "deployAgent",
    params(("id" = String, Path, description = "Id of the agent: `agt_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the agent, else 412; not checked, if left out")),
    request_body(content = Option<Deployment>),
    responses((status = 200, description = "The agent with the deployed version",
        body = Enveloped<AgentView>), Problem))]
#[post("/agents/{id}/deploy")]
pub(crate) async fn deploy_agent(
    caller: Caller<AgentsWrite>,
    PathId(id): PathId<AgentId>,
    if_match: IfMatch,
    OptionalJson(body): OptionalJson<Deployment>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (origin, now) = (ip.origin(), backend.runtime.clock.now());
    let deploy = AgentCommand::Deploy { version: body.version.map(Version), origin, now };
    let answer = change::<AgentResource>(&backend, &caller, &request, id, Some(&if_match), &deploy).await;
    backend.private.forget_agent(id);
    answer
}
