//! Endpoint that searches a knowledge base.

use std::time::Duration;

use actix_web::{post, web};
use actors::knowledge::{FoundPassage, LONGEST_QUESTION, LookUp};
use domain::ids::KnowledgeBaseId;
use domain::knowledge::MAX_PASSAGES;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::resource::must_exist;
use crate::auth::Caller;
use crate::auth::permissions::KbRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, JsonBody, Listed, PathId};

/// Longest wait for the vector of a question.
const EMBED_WITHIN: Duration = Duration::from_secs(5);

/// What to search for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnowledgeSearch {
    /// Question or words: 1 to 2000 characters.
    #[schema(example = "When do you open on Saturdays?", min_length = 1, max_length = 2_000)]
    query: String,
    /// Most passages; 5, if left out.
    #[schema(minimum = 1, maximum = 20, nullable = false)]
    limit: Option<u8>,
    /// Passages with a smaller score are left out; 0, if left out.
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    min_score: Option<f64>,
    /// Passages less near to the query, by the cosine, are left out, and those found by words alone; all are taken, if
    /// left out, and where `meta.words_only` says that the query could not be embedded.
    #[schema(minimum = 0, maximum = 1)]
    min_similarity: Option<f32>,
}

/// Places in both searches, from 1.
#[derive(Serialize, ToSchema)]
#[schema(as = PassageRank)]
struct RankView {
    /// Place by meaning; `null` if it was not found so.
    #[schema(required)]
    vector: Option<u32>,
    /// Place by words; `null` if it was not found so.
    #[schema(required)]
    keyword: Option<u32>,
}

/// A passage that was found.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundPassage)]
pub(crate) struct PassageView {
    /// Id of the passage: `chunk_…`.
    chunk_id: String,
    /// Id of its document: `doc_…`.
    document_id: String,
    /// Title of its document.
    title: String,
    /// Text of the passage: the headings it stands under in a line, then what it says.
    text: String,
    /// Fused from both places, 0 to 1: 1 is the first place in each search.
    score: f64,
    /// Nearness to the query, by the cosine; `null` if it was found by its words alone.
    #[schema(required)]
    similarity: Option<f32>,
    /// Places in both searches.
    rank: RankView,
}

impl From<FoundPassage> for PassageView {
    fn from(found: FoundPassage) -> Self {
        Self {
            chunk_id: found.chunk.to_string(),
            document_id: found.document.to_string(),
            title: found.title,
            text: found.text,
            score: found.score,
            similarity: found.similarity,
            rank: RankView { vector: found.ranks.vector, keyword: found.ranks.keyword },
        }
    }
}

/// Search a knowledge base.
///
/// Finds passages by meaning and by words, and fuses both, best first. While the model that embeds the query fails, words
/// alone are searched for, and `meta.words_only` says so.
#[utoipa::path(post, path = "/api/v1/kb/{id}/search", tag = "knowledge", operation_id = "searchKnowledgeBase",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`")),
    request_body = KnowledgeSearch,
    responses((status = 200, description = "The passages", body = Listed<PassageView>), Problem))]
#[post("/kb/{id}/search")]
pub(crate) async fn search_knowledge_base(
    caller: Caller<KbRead>,
    PathId(base): PathId<KnowledgeBaseId>,
    body: JsonBody<KnowledgeSearch>,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let KnowledgeSearch { query, limit, min_score, min_similarity } = body.value;
    let limit = limit.unwrap_or(5);
    let mut fields = Fields::default();
    if query.trim().is_empty() || query.chars().nth(LONGEST_QUESTION).is_some() {
        fields.fault("query", "invalid", "must have 1 to 2000 characters");
    }
    if !(1..=MAX_PASSAGES).contains(&limit) {
        fields.fault("limit", "invalid", "must be from 1 to 20");
    }
    if min_score.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        fields.fault("min_score", "invalid", "must be from 0 to 1");
    }
    if min_similarity.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        fields.fault("min_similarity", "invalid", "must be from 0 to 1");
    }
    fields.finish()?;
    must_exist(&backend, caller.client, base).await?;
    let wanted = LookUp {
        client: caller.client,
        bases: &[base],
        question: &query,
        limit: usize::from(limit),
        min_score: min_score.unwrap_or_default(),
        min_similarity,
        embed_within: EMBED_WITHIN,
    };
    // the provider's time is no work of this node
    crate::context::leave();
    let found = backend.knowledge.search(&wanted).await.map_err(ApiError::unavailable)?;
    let passages: Vec<PassageView> = found.passages.into_iter().map(Into::into).collect();
    Ok(Answer::list(&passages, None).words_only(found.words_only.is_some()))
}
