//! What is remembered of customers: recorded once, found again in time for the next call, and forgotten.
//!
//! [`MemoryService`] records and recalls. [`run`] keeps the index up to date with the log, and the outbox has
//! [`MemoryService::remember`] look at each conversation that is over.

mod extract;
mod index;
mod learn;
mod recall;
mod remember;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{ClientId, ConversationId, CustomerId};
use domain::ports::StoreUnavailable;
use domain::ports::embeddings::Embeddings;
use domain::ports::vector_index::VectorIndex;

pub use index::{JOB, run};
pub use learn::Learned;
pub use recall::{Recall, Recalled};
pub use remember::RememberError;

use crate::runtime::Runtime;

/// Tells whom a conversation is with.
#[async_trait]
pub trait CustomerLookup: fmt::Debug + Send + Sync {
    /// The customer of a conversation, first, and those merged into them; empty when nobody can tell.
    async fn of_conversation(
        &self,
        client: ClientId,
        conversation: ConversationId,
    ) -> Result<Vec<CustomerId>, StoreUnavailable>;
}

/// Records and recalls memories. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryService {
    pub runtime: Runtime,
    pub index: Arc<dyn VectorIndex>,
    pub embeddings: Arc<dyn Embeddings>,
    pub customers: Arc<dyn CustomerLookup>,
}
