//! What the answer of an agent was grounded on, as clients see it.

use domain::ids::{ChunkId, DocumentId, KnowledgeBaseId};
use domain::knowledge::{Grounds, Passage, Retrieved};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A passage of a knowledge base that the model was given for its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = UsedPassage)]
pub struct PassageView {
    /// Id of the knowledge base: TypeID `kb_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub knowledge_base_id: KnowledgeBaseId,
    /// Id of the document: TypeID `doc_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub document_id: DocumentId,
    /// Id of the passage: `chunk_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub chunk_id: ChunkId,
    /// Fused from the places in both searches, 0 to 1.
    pub score: f64,
    /// Nearness to the question, by the cosine; `null` if it was found by its words alone.
    #[schema(required)]
    pub similarity: Option<f64>,
    /// Beginning of its text; `[erased]` once erased.
    #[schema(required)]
    pub excerpt: Option<String>,
}

/// What was looked up in knowledge bases for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Retrieved)]
pub struct RetrievedView {
    /// What came of it: an answer without `found` has no grounds in the knowledge bases.
    #[schema(value_type = crate::words::Grounds)]
    pub grounds: Grounds,
    /// How long the turn waited for passages, in milliseconds.
    pub took_ms: u32,
    /// Whether only words were searched for, because the question could not be embedded in time.
    pub words_only: bool,
    /// Passages that the model was given, best first.
    pub passages: Vec<PassageView>,
}

impl From<Retrieved> for RetrievedView {
    fn from(retrieved: Retrieved) -> Self {
        let passage = |passage: Passage| PassageView {
            knowledge_base_id: passage.base,
            document_id: passage.document,
            chunk_id: ChunkId(passage.chunk),
            score: f64::from(passage.score_permille) / 1_000.0,
            similarity: passage.similarity_permille.map(|value| f64::from(value) / 1_000.0),
            excerpt: passage.excerpt.shown(String::clone),
        };
        Self {
            grounds: retrieved.grounds,
            took_ms: retrieved.took_ms,
            words_only: retrieved.words_only,
            passages: retrieved.passages.into_iter().map(passage).collect(),
        }
    }
}
