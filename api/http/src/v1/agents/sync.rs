//! Endpoints about the copy of an agent at a hosted voice runtime.

use std::convert::Infallible;

use actix_web::{get, post, web};
use actors::Session;
use domain::agent::Agent;
use domain::agent::sync::{AgentSync, Difference, SyncCommand};
use domain::envelope::Time;
use domain::ids::{AgentId, AgentSyncId, ClientId};
use domain::ports::hosted::HostedAgents as _;
use projections::words;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::commands::{AsProblem, context, problem};
use crate::auth::Caller;
use crate::auth::permissions::{AgentsRead, AgentsWrite};
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, OptionalJson, PathId, RequestContext};

/// A field of an agent's copy that was edited at the voice runtime. Values are JSON, cut to 500 characters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncDifference {
    /// Path of the field, such as `callTemplate.systemPrompt`.
    field: String,
    /// Value that was written there.
    ours: String,
    /// Value that stands there now; `null` where it is missing.
    #[schema(required)]
    theirs: Option<String>,
}

impl From<&Difference> for SyncDifference {
    fn from(difference: &Difference) -> Self {
        let Difference { field, ours, theirs } = difference.clone();
        Self { field, ours, theirs }
    }
}

/// The copy of an agent at a hosted voice runtime.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncState {
    /// `synced`, `pending` while the copy is being written, `drifted` after somebody edited it there, or `failed`.
    #[schema(value_type = words::AgentSyncStatus)]
    status: &'static str,
    /// The runtime's id of the copy; `null` until there is one.
    #[schema(required)]
    remote_id: Option<String>,
    /// The runtime's id of the copy's revision, where it names one.
    #[schema(required)]
    revision: Option<String>,
    /// Version of the agent that the copy holds; `null` until there is one.
    #[schema(required)]
    agent_version: Option<u64>,
    /// When this was last known; `null` before anything was.
    #[serde(with = "projections::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    at: Option<Time>,
    /// Why the copy could not be written, such as `no_account` or `http_400`.
    #[schema(required)]
    error: Option<String>,
    /// What was edited at the runtime, at most 50 fields.
    differences: Vec<SyncDifference>,
    /// Copies in accounts that were used before and that could not be deleted yet.
    left: usize,
}

/// What to do with the copy.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyncOrder {
    /// Whether to compare only, and leave what was edited there; written anew, if left out.
    #[serde(default)]
    compare_only: bool,
}

impl AsProblem for Infallible {
    const KIND: &'static str = "agent";

    fn as_problem(&self) -> ApiError {
        match *self {}
    }
}

/// Get the state of an agent's copy at its voice runtime.
///
/// Read from the log itself, so it is never behind. Answers 404 for an agent that no version was deployed of with a hosted
/// runtime.
#[utoipa::path(get, path = "/api/v1/agents/{id}/sync", tag = "agents", operation_id = "getAgentSync",
    params(("id" = String, Path, description = "Id of the agent: `agt_…`")),
    responses((status = 200, description = "The state of the copy", body = Enveloped<SyncState>), Problem))]
#[get("/agents/{id}/sync")]
pub(crate) async fn get_agent_sync(
    caller: Caller<AgentsRead>,
    PathId(id): PathId<AgentId>,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (agent, copy) = read(&backend, caller.client, id).await?;
    let account = account(&backend, caller.client).await?;
    Ok(Answer::data(&state(&agent, copy.state(), account)))
}

/// Write an agent's copy at its voice runtime anew, or compare it.
///
/// It is done in the background: follow it by the state of the copy. The request body may be left out.
#[utoipa::path(post, path = "/api/v1/agents/{id}/sync", tag = "agents", operation_id = "syncAgent",
    params(("id" = String, Path, description = "Id of the agent: `agt_…`")),
    request_body(content = Option<SyncOrder>),
    responses((status = 202, description = "The state of the copy", body = Enveloped<SyncState>), Problem))]
#[post("/agents/{id}/sync")]
pub(crate) async fn sync_agent(
    caller: Caller<AgentsWrite>,
    PathId(id): PathId<AgentId>,
    OptionalJson(body): OptionalJson<SyncOrder>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (agent, mut copy) = read(&backend, caller.client, id).await?;
    let (origin, now) = (ip.origin(), backend.runtime.clock.now());
    let command = SyncCommand::Request { overwrite: !body.compare_only, origin, now };
    let receipt = copy.execute(&command, &context(&caller, &request, id.0), None).await.map_err(problem)?;
    let account = account(&backend, caller.client).await?;
    Ok(Answer::data(&state(&agent, copy.state(), account)).accepted().written_at(receipt.position))
}

async fn read(
    backend: &Backend,
    client: ClientId,
    id: AgentId,
) -> Result<(Agent, Session<AgentSync>), ApiError> {
    let mut agent = Session::<Agent>::new(backend.runtime.clone(), id.stream());
    agent.refresh().await.map_err(problem)?;
    if agent.client() != Some(client) {
        return Err(ApiError::not_found("agent"));
    }
    let mut copy = Session::<AgentSync>::new(backend.runtime.clone(), AgentSyncId::of(id).stream());
    copy.refresh().await.map_err(problem)?;
    let hosted = agent.state().deployed().is_some_and(|(_, terms)| terms.runtime.is_hosted());
    if !hosted && copy.state().at().is_none() {
        return Err(ApiError::not_found("copy of the agent: deploy a version with a hosted runtime"));
    }
    Ok((agent.state().clone(), copy))
}

/// The account that the client's calls go through now.
async fn account(backend: &Backend, client: ClientId) -> Result<Option<u64>, ApiError> {
    backend.ultravox.account(client).await.map_err(ApiError::unavailable)
}

fn state(agent: &Agent, copy: &AgentSync, account: Option<u64>) -> SyncState {
    let deployed = agent.deployed().filter(|(_, terms)| terms.runtime.is_hosted());
    let current = copy.current();
    let up_to_date = current.map(|current| current.version) == deployed.map(|(version, _)| version)
        && current.is_none_or(|current| account.is_none_or(|account| account == current.copy.account));
    let status = match copy {
        copy if copy.wanted().is_some() => "pending",
        copy if copy.failure().is_some() => "failed",
        _ if !up_to_date => "pending",
        copy if !copy.differences().is_empty() => "drifted",
        _ => "synced",
    };
    SyncState {
        status,
        remote_id: current.map(|current| current.copy.remote_id.clone()),
        revision: current.and_then(|current| current.revision.clone()),
        agent_version: current.map(|current| current.version.0),
        at: copy.at(),
        error: copy.failure().map(|failure| failure.code.clone()),
        differences: copy.differences().iter().map(SyncDifference::from).collect(),
        left: copy.left().len(),
    }
}
