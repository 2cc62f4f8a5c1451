//! Endpoint that changes an agent.

use actix_web::{patch, web};
use domain::agent::{AgentCommand, AgentPatch};
use domain::ids::{AgentId, KnowledgeBaseId, ToolId};
use domain::model::ModelRef;
use projections::agents::AgentView;
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::resource::change;
use super::body::{
    ContentBody, MemoryBody, ModelBody, ProviderBody, RetrievalBody, RuntimeBody, knowledge_bases, model,
    retrieval, temperature, tools,
};
use super::resource::AgentResource;
use crate::auth::Caller;
use crate::auth::permissions::AgentsWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::nullable::nullable;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to an agent; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AgentPatch)]
pub(crate) struct PatchBody {
    /// New display name: 1 to 100 characters.
    #[schema(nullable = false, max_length = 100)]
    name: Option<String>,
    /// New system prompt: at most 32000 characters.
    #[schema(nullable = false, max_length = 32_000)]
    system_prompt: Option<String>,
    /// Provider of the model; given without `model`, the provider's default model is used.
    #[schema(nullable = false, value_type = Option<words::LlmProvider>)]
    provider: Option<ProviderBody>,
    /// Name of the model that answers.
    #[schema(nullable = false, max_length = 200)]
    model: Option<String>,
    /// Sampling temperature from 0 to 2; `null`: the provider's default.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 2)]
    temperature: Option<Option<f64>>,
    /// Longest answer, in tokens; `null`: the provider's default.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 65_536)]
    max_tokens: Option<Option<u32>>,
    /// Ids of the tools the agent may call; this list replaces the old one.
    #[schema(nullable = false, value_type = Option<Vec<String>>, max_items = 32)]
    tools: Option<Vec<EdgeId<ToolId>>>,
    /// Text the agent says first on a call; `null`: none of its own.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    greeting: Option<Option<String>>,
    /// Text the agent says on a call when no model can answer; `null`: a short apology.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    apology: Option<Option<String>>,
    /// How much of its calls is kept; `null`: what the privacy settings say.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<words::ContentLevel>)]
    call_content: Option<Option<ContentBody>>,
    /// Id of the voice it speaks with; `null`: none in particular.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    voice_id: Option<Option<String>>,
    /// Models to try when the first one cannot answer; this list replaces the old one.
    #[schema(nullable = false, max_items = 5)]
    fallback: Option<Vec<ModelBody>>,
    /// Ids of the knowledge bases it looks passages up in; this list replaces the old one.
    #[schema(nullable = false, value_type = Option<Vec<String>>, max_items = 8)]
    knowledge_base_ids: Option<Vec<EdgeId<KnowledgeBaseId>>>,
    /// How it looks passages up; `null`: the default.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<RetrievalBody>)]
    retrieval: Option<Option<RetrievalBody>>,
    /// Whether it remembers customers; `null`: not.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<MemoryBody>)]
    memory: Option<Option<MemoryBody>>,
    /// What talks on its calls, from the next deployment on.
    #[schema(nullable = false, value_type = Option<words::AgentRuntime>)]
    runtime: Option<RuntimeBody>,
}

/// Change fields of an agent.
///
/// Every change makes a new version. The deployed version stays deployed until another one is deployed.
#[utoipa::path(patch, path = "/api/v1/agents/{id}", tag = "agents", operation_id = "patchAgent",
    params(("id" = String, Path, description = "Id of the agent: `agt_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the agent, else 412; not checked, if left out")),
    request_body = PatchBody,
    responses((status = 200, description = "The agent after the change",
        body = Enveloped<AgentView>), Problem))]
#[patch("/agents/{id}")]
pub(crate) async fn patch_agent(
    caller: Caller<AgentsWrite>,
    PathId(id): PathId<AgentId>,
    if_match: IfMatch,
    body: JsonBody<PatchBody>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let wanted = body.value;
    let live = backend.conversations.desk().newest(caller.client, id).await.map_err(ApiError::unavailable)?;
    let newest = live.ok_or_else(|| ApiError::not_found("agent"))?;
    let mut fields = Fields::default();
    let temperature_permille = wanted.temperature.map(|value| temperature(value, &mut fields));
    let model: Option<ModelRef> = match (wanted.provider, wanted.model) {
        (None, None) => None,
        (None, Some(name)) => Some(ModelRef::new(newest.model.provider, name)),
        (Some(provider), name) => {
            model(&backend, caller.client, Some(provider.into()), name, &mut fields).await
        }
    };
    let tools = match &wanted.tools {
        Some(given) => Some(tools(&backend, caller.client, given, &mut fields).await?),
        None => None,
    };
    let knowledge_bases = match &wanted.knowledge_base_ids {
        Some(given) => Some(knowledge_bases(&backend, caller.client, given, &mut fields).await?),
        None => None,
    };
    let retrieval = wanted.retrieval.map(|body| body.map(|body| retrieval(body, &mut fields)));
    fields.finish()?;
    let patch = AgentPatch {
        name: wanted.name.map(|name| name.trim().to_owned()),
        system_prompt: wanted.system_prompt,
        model,
        temperature_permille,
        max_tokens: wanted.max_tokens,
        tools,
        greeting: wanted.greeting,
        apology: wanted.apology,
        call_content: wanted.call_content.map(|level| level.map(Into::into)),
        voice_id: wanted.voice_id,
        fallback: wanted.fallback.map(|models| models.into_iter().map(Into::into).collect()),
        knowledge_bases,
        retrieval,
        memory: wanted.memory.map(|memory| memory.and_then(MemoryBody::settings)),
        runtime: wanted.runtime.map(Into::into),
    };
    let (patch, origin, now) = (Box::new(patch), ip.origin(), backend.runtime.clock.now());
    let update = AgentCommand::Update { patch, origin, now };
    let answer = change::<AgentResource>(&backend, &caller, &request, id, Some(&if_match), &update).await;
    backend.private.forget_agent(id);
    answer
}
