//! Parts of agent requests and their checks.

use domain::agent::{AgentMemory, AgentRuntime};
use domain::ids::{ClientId, KnowledgeBaseId, ToolId};
use domain::knowledge::{MAX_AGENT_BASES, Retrieval};
use domain::model::{ModelRef, Provider};
use domain::privacy::content::ContentLevel;
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::EdgeId;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields};

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProviderBody {
    Groq,
    Openai,
    Anthropic,
    Google,
    OpenaiCompatible,
    /// Built in: answers by rules, without a network.
    Scripted,
}

impl From<ProviderBody> for Provider {
    fn from(body: ProviderBody) -> Self {
        match body {
            ProviderBody::Groq => Self::Groq,
            ProviderBody::Openai => Self::Openai,
            ProviderBody::Anthropic => Self::Anthropic,
            ProviderBody::Google => Self::Google,
            ProviderBody::OpenaiCompatible => Self::OpenaiCompatible,
            ProviderBody::Scripted => Self::Scripted,
        }
    }
}

/// How much of an agent's calls the node keeps.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContentBody {
    Everything,
    /// Keeps everything but the caller's identity, keyed digits and recordings.
    EverythingExceptPii,
    /// Keeps nothing of what was said, keyed or recorded.
    BasicAttributesOnly,
}

impl From<ContentBody> for ContentLevel {
    fn from(body: ContentBody) -> Self {
        match body {
            ContentBody::Everything => Self::Everything,
            ContentBody::EverythingExceptPii => Self::EverythingExceptPii,
            ContentBody::BasicAttributesOnly => Self::BasicAttributesOnly,
        }
    }
}

/// What talks on an agent's calls.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RuntimeBody {
    /// This node, through the carrier.
    Carrier,
    /// Ultravox, which places the calls itself.
    Ultravox,
}

impl From<RuntimeBody> for AgentRuntime {
    fn from(body: RuntimeBody) -> Self {
        match body {
            RuntimeBody::Carrier => Self::Carrier,
            RuntimeBody::Ultravox => Self::Ultravox,
        }
    }
}

/// A model to fall back to.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ModelChoice)]
pub(crate) struct ModelBody {
    /// Provider that serves the model.
    #[schema(value_type = words::LlmProvider)]
    provider: ProviderBody,
    /// Model name as the provider writes it, for example `openai/gpt-oss-120b`.
    #[schema(max_length = 200)]
    model: String,
}

impl From<ModelBody> for ModelRef {
    fn from(body: ModelBody) -> Self {
        ModelRef::new(body.provider.into(), body.model)
    }
}

/// How to look passages up.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRetrieval)]
pub(crate) struct RetrievalBody {
    /// Most passages for an answer; 5, if left out.
    #[schema(minimum = 1, maximum = 20, nullable = false)]
    limit: Option<u8>,
    /// Passages with a smaller score are left out; 0, if left out.
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    min_score: Option<f64>,
    /// Passages less near to the question, by the cosine, are left out, and those found by words alone; all are taken, if
    /// left out, and where the question could not be embedded.
    #[schema(minimum = 0, maximum = 1)]
    min_similarity: Option<f64>,
    /// Longest wait for passages, in milliseconds; 150, if left out.
    #[schema(minimum = 10, maximum = 5_000, nullable = false)]
    budget_ms: Option<u16>,
}

/// The settings in thousandths; notes a fault for each number out of its range.
pub(super) fn retrieval(body: RetrievalBody, fields: &mut Fields) -> Retrieval {
    let mut permille = |field: &str, value: f64| {
        if !(0.0..=1.0).contains(&value) {
            fields.fault(format!("retrieval.{field}"), "invalid", "must be from 0 to 1");
        }
        (value.clamp(0.0, 1.0) * 1_000.0).round() as u16
    };
    let default = Retrieval::default();
    Retrieval {
        limit: body.limit.unwrap_or(default.limit),
        min_score_permille: body
            .min_score
            .map_or(default.min_score_permille, |value| permille("min_score", value)),
        min_similarity_permille: body.min_similarity.map(|value| permille("min_similarity", value)),
        budget_ms: body.budget_ms.unwrap_or(default.budget_ms),
    }
}

/// Checks that every knowledge base exists in the client and notes a fault for each unknown one.
pub(super) async fn knowledge_bases(
    backend: &Backend,
    client: ClientId,
    given: &[EdgeId<KnowledgeBaseId>],
    fields: &mut Fields,
) -> Result<Vec<KnowledgeBaseId>, ApiError> {
    for (n, EdgeId(id)) in given.iter().enumerate().take(MAX_AGENT_BASES) {
        let found = backend.knowledge.model_of(client, *id).await.map_err(ApiError::unavailable)?;
        if found.is_none() {
            fields.fault(format!("knowledge_base_ids[{n}]"), "unknown", "there is no such knowledge base");
        }
    }
    Ok(given.iter().map(|id| id.0).collect())
}

/// How an agent remembers customers.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AgentMemorySettings)]
pub(crate) struct MemoryBody {
    /// Whether it remembers what conversations show of customers, and is told what is known of them.
    enabled: bool,
    /// Most memories that it is told in a turn: 1 to 20; 5, if left out.
    #[schema(minimum = 1, maximum = 20)]
    limit: Option<u16>,
}

/// Memories that an agent is told where the request does not say how many.
const MEMORIES: u16 = 5;

impl MemoryBody {
    /// The agent's settings; `None` if it remembers nothing.
    pub(super) fn settings(self) -> Option<AgentMemory> {
        self.enabled.then(|| AgentMemory { limit: self.limit.unwrap_or(MEMORIES) })
    }
}

/// Converts a temperature to thousandths; notes a fault unless it is from 0 to 2.
pub(super) fn temperature(value: Option<f64>, fields: &mut Fields) -> Option<u16> {
    let value = value?;
    if !(0.0..=2.0).contains(&value) {
        fields.fault("temperature", "invalid", "must be from 0 to 2");
    }
    Some((value.clamp(0.0, 2.0) * 1_000.0).round() as u16)
}

/// Model for the agent. Without a model name it is the provider's default; without a provider either, the first
/// default that is configured for the client.
pub(super) async fn model(
    backend: &Backend,
    client: ClientId,
    provider: Option<Provider>,
    model: Option<String>,
    fields: &mut Fields,
) -> Option<ModelRef> {
    match (provider, model) {
        (Some(provider), Some(model)) => Some(ModelRef::new(provider, model)),
        (Some(provider), None) => {
            let statuses = backend.conversations.models().statuses(client).await;
            let status = statuses.into_iter().find(|status| status.provider == provider);
            let default = status.and_then(|status| status.default_model);
            if default.is_none() {
                fields.fault("model", "required", "say which model of the provider's is to answer");
            }
            default.map(|model| ModelRef::new(provider, model))
        }
        (None, Some(_)) => {
            fields.fault("provider", "required", "say whose model it is");
            None
        }
        (None, None) => backend.conversations.models().default_models(client).await.into_iter().next(),
    }
}

/// Checks that every tool exists in the client and notes a fault for each unknown one.
pub(super) async fn tools(
    backend: &Backend,
    client: ClientId,
    given: &[EdgeId<ToolId>],
    fields: &mut Fields,
) -> Result<Vec<ToolId>, ApiError> {
    for (n, EdgeId(id)) in given.iter().enumerate().take(domain::agent::MAX_TOOLS) {
        let found = backend.conversations.desk().tool(client, *id).await.map_err(ApiError::unavailable)?;
        if found.is_none() {
            fields.fault(format!("tools[{n}]"), "unknown", "there is no such tool");
        }
    }
    Ok(given.iter().map(|id| id.0).collect())
}
