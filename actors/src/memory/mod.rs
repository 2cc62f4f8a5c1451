//! What is remembered of customers: recorded once, found again in time for the next call, and forgotten.
//!
//! [`MemoryService`] records and recalls. [`run`] keeps the index up to date with the log, and the outbox has
//! [`MemoryService::remember`] look at each conversation that is over.

mod extract;
mod index;
mod learn;
mod places;
mod recall;
mod remember;
mod vectors;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{ClientId, ConversationId, CustomerId};
use domain::ports::StoreUnavailable;
use domain::ports::embeddings::Embeddings;
use domain::ports::vector_index::VectorIndex;

pub use index::{JOB, run};
pub use learn::Learned;
pub use places::RememberPlaces;
pub use recall::{Recall, Recalled};
pub use remember::RememberError;

use crate::runtime::Runtime;

/// Whom a conversation is with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The customer as whom the person was recognised: what the conversation shows belongs to this one, also where it
    /// was merged into another, so that an undone merge leaves it where it belongs.
    pub customer: CustomerId,
    /// Everybody whose memories are this person's: the customer that it has become by merges, first, and all that were
    /// merged into that one.
    pub all: Vec<CustomerId>,
}

/// Tells whom a conversation is with.
#[async_trait]
pub trait CustomerLookup: fmt::Debug + Send + Sync {
    /// Whom a conversation is with; `None` when nobody can tell. Fails while the views do not show the conversation or
    /// its call yet.
    async fn of_conversation(
        &self,
        client: ClientId,
        conversation: ConversationId,
    ) -> Result<Option<Person>, StoreUnavailable>;

    /// The customer that this one has become by merges, first, and all that were merged into that one.
    async fn with_merged(
        &self,
        client: ClientId,
        customer: CustomerId,
    ) -> Result<Vec<CustomerId>, StoreUnavailable>;
}

/// Records and recalls memories. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryService {
    pub runtime: Runtime,
    pub index: Arc<dyn VectorIndex>,
    pub embeddings: Arc<dyn Embeddings>,
    pub customers: Arc<dyn CustomerLookup>,
    pub places: RememberPlaces,
}
