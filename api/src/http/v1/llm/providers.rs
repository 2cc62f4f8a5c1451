//! How the providers are doing.

use actix_web::{get, web};
use domain::ports::llm::{ModelStatus, ProviderStatus};
use projections::words;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::auth::Caller;
use crate::http::auth::permissions::ProvidersRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// A model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LlmModel)]
pub(crate) struct ModelShown {
    /// Its name.
    name: String,
    /// Tokens it reads and writes, together; `null` where that is not known.
    #[schema(required)]
    context_tokens: Option<u64>,
    /// `closed`: it is asked; `open`: it is left alone for a while; `half_open`: one request decides.
    #[schema(value_type = crate::http::words::BreakerState)]
    breaker: &'static str,
    /// Why it last did not answer; `null` since it did.
    #[schema(value_type = Option<words::ModelFault>, required)]
    last_error: Option<&'static str>,
}

/// A provider, as it is for you.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LlmProviderStatus)]
pub(crate) struct ProviderShown {
    /// `groq`, `openai`, `anthropic`, `google`, `openai_compatible` or `scripted`.
    #[schema(value_type = words::LlmProvider)]
    provider: &'static str,
    /// Whether there are credentials.
    configured: bool,
    /// Whose: `client`, `node`, or `null`.
    #[schema(value_type = Option<crate::http::words::CredentialsFrom>, required)]
    credentials: Option<&'static str>,
    /// The model that is asked when nobody names one.
    #[schema(required)]
    default_model: Option<String>,
    /// `closed` unless a model is left alone.
    #[schema(value_type = crate::http::words::BreakerState)]
    breaker: &'static str,
    /// Why a model last did not answer.
    #[schema(value_type = Option<words::ModelFault>, required)]
    last_error: Option<&'static str>,
    /// Its models, as far as they are known here. Others may be named as well.
    models: Vec<ModelShown>,
    /// Models it serves no more, and what is asked in their place.
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
/// Which are configured for you, their models, and how they are doing.
#[utoipa::path(get, path = "/api/v1/llm/providers", tag = "providers", operation_id = "listLlmProviders",
    responses((status = 200, description = "The providers", body = Listed<ProviderShown>), Problem))]
#[get("/llm/providers")]
pub(crate) async fn list_llm_providers(
    caller: Caller<ProvidersRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let statuses = backend.talks.models().statuses(caller.client).await;
    let shown: Vec<ProviderShown> = statuses.into_iter().map(Into::into).collect();
    Ok(Answer::list(&shown, None))
}
