//! Queries of knowledge bases and their documents.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::{ClientId, DocumentId, KnowledgeBaseId};
use domain::knowledge::DocumentStatus;
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest, Stored};

/// What the documents of a knowledge base sum up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BaseSums {
    pub documents: u64,
    /// Documents that are queued, read or embedded.
    pub under_way: u64,
    pub failed: u64,
    pub chunks: u64,
    pub bytes: u64,
}

/// Which documents of a knowledge base are wanted; all conditions must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct DocumentFilter {
    pub status: Option<DocumentStatus>,
    /// Added after this time.
    pub created_after: Option<Time>,
    /// Added before this time.
    pub created_before: Option<Time>,
}

/// Queries of documents. None of them ever answers with another client's, or with a deleted one.
#[async_trait]
pub trait KnowledgeQueries: Send + Sync {
    /// Sums of these knowledge bases; one without documents is left out.
    async fn base_sums(
        &self,
        client: ClientId,
        bases: &[KnowledgeBaseId],
    ) -> Result<BTreeMap<KnowledgeBaseId, BaseSums>, StoreUnavailable>;

    /// A page of [documents](super::KnowledgeDocumentView) of a knowledge base, ordered by `created_at` and id.
    async fn documents_of(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// One [document](super::KnowledgeDocumentView) of a knowledge base, as JSON.
    async fn document_of(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
        id: DocumentId,
    ) -> Result<Option<Stored>, StoreUnavailable>;
}
