//! Endpoint that creates an agent.

use actix_web::{post, web};
use domain::agent::{AgentCommand, AgentCreated, AgentTerms};
use domain::ids::{AgentId, KnowledgeBaseId, ToolId};
use domain::ports::ids::Ids as _;
use projections::agents::AgentView;
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::resource;
use super::body::{
    ContentBody, MemoryBody, ModelBody, ProviderBody, RetrievalBody, RuntimeBody, knowledge_bases, model,
    retrieval, temperature, tools,
};
use super::resource::AgentResource;
use crate::auth::Caller;
use crate::auth::permissions::AgentsWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};

/// An agent to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAgent {
    /// Display name of the agent: 1 to 100 characters.
    #[schema(example = "Reception", max_length = 100)]
    name: String,
    /// System prompt, sent to the model before the conversation: at most 32000 characters.
    #[serde(default)]
    #[schema(example = "You answer the phone for a clinic.", max_length = 32_000)]
    system_prompt: String,
    /// Provider of the model; the first configured one, if left out.
    #[schema(value_type = Option<words::LlmProvider>)]
    provider: Option<ProviderBody>,
    /// Name of the model that answers; the provider's default, if left out.
    #[schema(example = "openai/gpt-oss-120b", max_length = 200)]
    model: Option<String>,
    /// Sampling temperature from 0 to 2; the provider's default, if left out.
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    /// Longest answer, in tokens; the provider's default, if left out.
    #[schema(minimum = 1, maximum = 65_536)]
    max_tokens: Option<u32>,
    /// Ids of the tools the agent may call: at most 32.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 32)]
    tools: Vec<EdgeId<ToolId>>,
    /// Text the agent says first on a call: at most 1000 characters.
    #[schema(max_length = 1000)]
    greeting: Option<String>,
    /// Text the agent says on a call when no model can answer: at most 1000 characters; a short
    /// apology, if left out.
    #[schema(max_length = 1000)]
    apology: Option<String>,
    /// How much of its calls is kept; what the privacy settings say, if left out.
    #[schema(value_type = Option<words::ContentLevel>)]
    call_content: Option<ContentBody>,
    /// Id of the voice it speaks with.
    #[schema(max_length = 200)]
    voice_id: Option<String>,
    /// Models to try when the first one cannot answer, in this order: at most 5.
    #[serde(default)]
    #[schema(max_items = 5)]
    fallback: Vec<ModelBody>,
    /// Ids of the knowledge bases it looks passages up in before it answers: at most 8.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 8)]
    knowledge_base_ids: Vec<EdgeId<KnowledgeBaseId>>,
    /// How it looks passages up.
    retrieval: Option<RetrievalBody>,
    /// Whether it remembers customers, and is told what is known of them; not, if left out.
    memory: Option<MemoryBody>,
    /// What talks on its calls; this node, if left out. A hosted runtime gets a copy of each version that is deployed.
    #[schema(value_type = Option<words::AgentRuntime>)]
    runtime: Option<RuntimeBody>,
}

/// Create a new agent.
///
/// Conversations can start with it at once. They run its newest version until one is deployed.
#[utoipa::path(post, path = "/api/v1/agents", tag = "agents", operation_id = "createAgent",
    request_body = NewAgent,
    responses((status = 201, description = "The new agent", body = Enveloped<AgentView>), Problem))]
#[post("/agents")]
pub(crate) async fn create_agent(
    caller: Caller<AgentsWrite>,
    body: JsonBody<NewAgent>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (new, id) = (body.value, AgentId(ids.next()));
    let mut fields = Fields::default();
    let temperature_permille = temperature(new.temperature, &mut fields);
    let provider = new.provider.map(Into::into);
    let model = model(&backend, caller.client, provider, new.model, &mut fields).await;
    let tools = tools(&backend, caller.client, &new.tools, &mut fields).await?;
    let knowledge_bases =
        knowledge_bases(&backend, caller.client, &new.knowledge_base_ids, &mut fields).await?;
    let retrieval = new.retrieval.map(|body| retrieval(body, &mut fields));
    fields.finish()?;
    let Some(model) = model else { return Err(ApiError::internal("there is no model at all")) };
    let terms = AgentTerms {
        name: new.name.trim().to_owned(),
        system_prompt: new.system_prompt,
        model,
        temperature_permille,
        max_tokens: new.max_tokens,
        tools,
        greeting: new.greeting,
        apology: new.apology,
        call_content: new.call_content.map(Into::into),
        voice_id: new.voice_id,
        fallback: new.fallback.into_iter().map(Into::into).collect(),
        knowledge_bases,
        retrieval,
        memory: new.memory.and_then(MemoryBody::settings),
        runtime: new.runtime.map(Into::into).unwrap_or_default(),
    };
    let created = AgentCreated { terms, origin: ip.origin(), at: backend.runtime.clock.now() };
    let create = AgentCommand::Create(Box::new(created));
    let answer = resource::create::<AgentResource>(&backend, &caller, &request, id, &create).await?;
    Ok(answer.created().location(&format!("/api/v1/agents/{id}")))
}
