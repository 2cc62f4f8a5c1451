//! Queries of memories.

use async_trait::async_trait;
use domain::ids::{ClientId, CustomerId};
use domain::memory::{MemoryKind, MemoryStatus};
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest};

/// Which memories of a customer are wanted; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryFilter {
    /// Of these customers: one, and those merged into it.
    pub customers: Vec<CustomerId>,
    pub kind: Option<MemoryKind>,
    pub status: Option<MemoryStatus>,
}

/// Queries of memories. None of them ever answers with another client's memory.
#[async_trait]
pub trait MemoryQueries: Send + Sync {
    /// A page of [memories](super::MemoryView), ordered by `created_at` and id.
    async fn memories(
        &self,
        client: ClientId,
        filter: &MemoryFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;
}
