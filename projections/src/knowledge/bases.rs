//! The resource `KnowledgeBase` of the API, and the fold from events to it. What depends on its documents is summed up
//! when it is shown.

use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, Time, Version};
use domain::ids::KnowledgeBaseId;
use domain::knowledge::{BaseTerms, KnowledgeBase, KnowledgeBaseEvent};
use domain::ports::embeddings::EmbeddingProvider;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::queries::BaseSums;
use crate::document::{Document, Resource};
use crate::numbers::knows;
use crate::view::{At, View};

/// Values of a knowledge base's `status`.
pub const BASE_STATUSES: [&str; 4] = ["empty", "processing", "ready", "failed"];

/// The model that embeds the passages of a knowledge base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Embedding)]
pub struct EmbeddingView {
    /// Provider of the model: `hashed` is built in and needs no account.
    #[schema(value_type = crate::words::EmbeddingProvider)]
    pub provider: EmbeddingProvider,
    /// Name of the model at its provider.
    pub model: String,
    /// Length of a vector.
    pub dimensions: u16,
}

/// A knowledge base. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = KnowledgeBase)]
pub struct KnowledgeBaseView {
    /// Id of the knowledge base: TypeID `kb_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "kb_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: KnowledgeBaseId,
    /// Name that you give the knowledge base.
    pub name: String,
    /// What the knowledge base is about.
    #[schema(required)]
    pub description: Option<String>,
    /// Model that embeds passages and questions.
    pub embedding: EmbeddingView,
    /// Number of documents; `null` in a state of the past.
    #[serde(default)]
    #[schema(required)]
    pub documents: Option<u64>,
    /// Number of passages of its documents; `null` in a state of the past.
    #[serde(default)]
    #[schema(required)]
    pub chunks: Option<u64>,
    /// Size of its documents together; `null` in a state of the past.
    #[serde(default)]
    #[schema(required)]
    pub bytes: Option<u64>,
    /// `processing` while a document is read or embedded, `ready` once one can be found, `failed` when all failed, else
    /// `empty`; `null` in a state of the past.
    #[serde(default)]
    #[schema(value_type = Option<crate::words::KnowledgeBaseStatus>, required)]
    pub status: Option<String>,
    /// When the knowledge base was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When its settings were last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the knowledge base's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

impl KnowledgeBaseView {
    fn take(&mut self, terms: &BaseTerms) {
        self.name.clone_from(&terms.name);
        self.description.clone_from(&terms.description);
        self.embedding = EmbeddingView {
            provider: terms.embedding.provider,
            model: terms.embedding.model.clone(),
            dimensions: terms.embedding.dimensions,
        };
    }

    /// Adds what depends on its documents.
    #[must_use]
    pub fn with(mut self, sums: BaseSums) -> Self {
        let [empty, processing, ready, failed] = BASE_STATUSES;
        let status = match sums {
            BaseSums { under_way: 1.., .. } => processing,
            BaseSums { documents, failed, .. } if documents > failed => ready,
            BaseSums { failed: 1.., .. } => failed,
            _ => empty,
        };
        self.status = Some(status.to_owned());
        self.documents = Some(sums.documents);
        self.chunks = Some(sums.chunks);
        self.bytes = Some(sums.bytes);
        self
    }
}

pub type KnowledgeBaseRow = Document<KnowledgeBaseView>;

impl Resource for KnowledgeBaseView {
    const TABLE: &'static str = "kb";

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn created_at(&self) -> Time {
        self.created_at
    }

    fn version(&self) -> Version {
        Version(self.version)
    }
}

/// The view of knowledge bases: one row a knowledge base.
#[derive(Debug)]
pub struct KnowledgeBases;

impl View for KnowledgeBases {
    const NAME: &'static str = "kb";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    type Row = KnowledgeBaseRow;
    type Fact = KnowledgeBaseEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, KnowledgeBaseEvent)>, DecodeError> {
        let ours = event.stream.category() == KnowledgeBase::CATEGORY;
        if !ours || !knows::<KnowledgeBaseEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = KnowledgeBaseEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<KnowledgeBaseRow>, at: &At, fact: KnowledgeBaseEvent) {
        match (row.as_mut(), fact) {
            (None, KnowledgeBaseEvent::Created(created)) => {
                let embedding = EmbeddingView {
                    provider: created.terms.embedding.provider,
                    model: String::new(),
                    dimensions: 0,
                };
                let mut view = KnowledgeBaseView {
                    id: KnowledgeBaseId(at.id),
                    name: String::new(),
                    description: None,
                    embedding,
                    documents: None,
                    chunks: None,
                    bytes: None,
                    status: None,
                    created_at: created.at,
                    updated_at: created.at,
                    version: 0,
                };
                view.take(&created.terms);
                *row =
                    Some(KnowledgeBaseRow { client: at.client, position: at.position, removed: false, view });
            }
            (Some(row), KnowledgeBaseEvent::Updated(updated)) => {
                row.view.take(&updated.after);
                row.view.updated_at = updated.at;
            }
            (Some(row), KnowledgeBaseEvent::Deleted(deleted)) => {
                row.removed = true;
                row.view.updated_at = deleted.at;
            }
            (Some(_), KnowledgeBaseEvent::Created(_)) | (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}
