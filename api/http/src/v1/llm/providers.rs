//! Endpoint that lists the providers of language models and their state.

use actix_web::{get, web};
use domain::ports::llm::{ModelStatus, ProviderStatus};
use projections::words;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::auth::permissions::ProvidersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// A language model of a provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LlmModel)]
pub(crate) struct ModelShown {
    /// Model name as the provider writes it.
    name: String,
    /// Tokens it reads and writes, together; `null` when that is not known.
    #[schema(required)]
    context_tokens: Option<u64>,
    /// State of its circuit breaker. `closed`: requests are sent; `open`: none are sent for a while; `half_open`:
    /// one trial request decides.
    #[schema(value_type = crate::words::BreakerState)]
    breaker: &'static str,
    /// Fault of its last failed request; `null` once a request succeeded.
    #[schema(value_type = Option<words::ModelFault>, required)]
    last_error: Option<&'static str>,
}

/// State of a provider for your client.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LlmProviderStatus)]
pub(crate) struct ProviderShown {
    /// Name of the provider: `groq`, `openai`, `anthropic`, `google`, `openai_compatible` or `scripted`.
    #[schema(value_type = words::LlmProvider)]
    provider: &'static str,
    /// Whether there are credentials for it.
    configured: bool,
    /// Owner of the credentials: `client`, `node`, or `null` without any.
    #[schema(value_type = Option<crate::words::CredentialsFrom>, required)]
    credentials: Option<&'static str>,
    /// Model that is used when a request names none.
    #[schema(required)]
    default_model: Option<String>,
    /// `closed` while the breakers of all its models are.
    #[schema(value_type = crate::words::BreakerState)]
    breaker: &'static str,
    /// Fault of the last failed request to a model that has not succeeded since; `null` without one.
    #[schema(value_type = Option<words::ModelFault>, required)]
    last_error: Option<&'static str>,
    /// Models that this node knows. Requests may name other models of the provider, too.
    models: Vec<ModelShown>,
    /// Models that the provider no longer serves, each with the model that replaces it.
    replaced: std::collections::BTreeMap<String, String>,
}

impl From<ProviderStatus> for ProviderShown {
    fn from(status: ProviderStatus) -> Self {
        let model = |model: ModelStatus| ModelShown {
            name: model.model,
            context_tokens: model.context,
            breaker: model.breaker.as_str(),
            last_error: model.last_error.map(|fault| fault.as_str()),
        };
        let models: Vec<ModelShown> = status.models.into_iter().map(model).collect();
        Self {
            provider: status.provider.as_str(),
            configured: status.configured,
            credentials: status.configured.then_some(if status.own { "client" } else { "node" }),
            default_model: status.default_model,
            breaker: models
                .iter()
                .map(|model| model.breaker)
                .find(|word| *word != "closed")
                .unwrap_or("closed"),
            last_error: models.iter().find_map(|model| model.last_error),
            models,
            replaced: status.replaced.into_iter().collect(),
        }
    }
}

/// List the providers of language models.
///
/// Which ones are configured for you, their models, and the state of each.
#[utoipa::path(get, path = "/api/v1/llm/providers", tag = "providers", operation_id = "listLlmProviders",
    responses((status = 200, description = "The providers", body = Listed<ProviderShown>), Problem))]
#[get("/llm/providers")]
pub(crate) async fn list_llm_providers(
    caller: Caller<ProvidersRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let statuses = backend.conversations.models().statuses(caller.client).await;
    let shown: Vec<ProviderShown> = statuses.into_iter().map(Into::into).collect();
    Ok(Answer::list(&shown, None))
}
