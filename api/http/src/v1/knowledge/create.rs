//! Endpoint that creates a knowledge base.

use actix_web::{post, web};
use domain::ids::KnowledgeBaseId;
use domain::knowledge::{BaseCommand, BaseTerms, KnowledgeBaseCreated};
use domain::ports::embeddings::{EmbeddingModel, EmbeddingProvider, MAX_DIMENSIONS};
use domain::ports::ids::Ids as _;
use projections::knowledge::KnowledgeBaseView;
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::resource::execute;
use super::read::after;
use super::resource::KnowledgeBaseResource;
use crate::auth::Caller;
use crate::auth::permissions::KbWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, RequestContext};

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProviderName {
    Hashed,
    Google,
    Openai,
    OpenaiCompatible,
}

impl From<ProviderName> for EmbeddingProvider {
    fn from(name: ProviderName) -> Self {
        match name {
            ProviderName::Hashed => Self::Hashed,
            ProviderName::Google => Self::Google,
            ProviderName::Openai => Self::Openai,
            ProviderName::OpenaiCompatible => Self::OpenaiCompatible,
        }
    }
}

/// A model that embeds passages and questions.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEmbedding)]
struct EmbeddingBody {
    /// Provider of the model; `hashed` is built in and needs no account.
    #[schema(value_type = words::EmbeddingProvider)]
    provider: ProviderName,
    /// Name of the model at its provider.
    #[schema(min_length = 1, max_length = 100, example = "gemini-embedding-001")]
    model: String,
    /// Length of a vector.
    #[schema(minimum = 1, maximum = 4_096, example = 768)]
    dimensions: u16,
}

/// Whether a copy is kept at a voice provider.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Sync {
    /// No copy is kept.
    None,
}

/// A knowledge base to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKnowledgeBase {
    /// Name of the knowledge base: 1 to 100 characters.
    #[schema(example = "Clinic", min_length = 1, max_length = 100)]
    name: String,
    /// What it is about: at most 1000 characters.
    #[schema(max_length = 1_000)]
    description: Option<String>,
    /// Model that embeds its passages, for ever; the node's default, if left out.
    embedding: Option<EmbeddingBody>,
    /// Whether a copy is kept at a voice provider; `none`, if left out, is all that this version knows.
    #[serde(default)]
    #[schema(nullable = false)]
    sync: Option<Sync>,
}

/// Create a new knowledge base.
///
/// Give it documents next, and its id to agents.
#[utoipa::path(post, path = "/api/v1/kb", tag = "knowledge", operation_id = "createKnowledgeBase",
    request_body = NewKnowledgeBase,
    responses((status = 201, description = "The new knowledge base", body = Enveloped<KnowledgeBaseView>), Problem))]
#[post("/kb")]
pub(crate) async fn create_knowledge_base(
    caller: Caller<KbWrite>,
    body: JsonBody<NewKnowledgeBase>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let NewKnowledgeBase { name, description, embedding, sync } = body.value;
    let (Some(Sync::None) | None) = sync;
    let embedding = match embedding {
        Some(EmbeddingBody { dimensions, .. }) if !(1..=MAX_DIMENSIONS).contains(&dimensions) => {
            return Err(ApiError::invalid("embedding.dimensions", "invalid", "must be from 1 to 4096"));
        }
        Some(body) => EmbeddingModel::new(body.provider.into(), body.model, body.dimensions),
        None => backend.knowledge.embeddings.default_model(),
    };
    let id = KnowledgeBaseId(ids.next());
    let terms = BaseTerms { name: name.trim().to_owned(), description, embedding };
    let at = backend.runtime.clock.now();
    let created = KnowledgeBaseCreated { terms, origin: request.origin(), at };
    let create = BaseCommand::Create(Box::new(created));
    let receipt = execute::<KnowledgeBaseResource>(&backend, &caller, &request, id, None, &create).await?;
    let answer = after(&backend, &caller, id, receipt).await?;
    Ok(answer.created().location(&format!("/api/v1/kb/{id}")))
}
