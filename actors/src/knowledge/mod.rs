//! Knowledge bases at work: documents are read and embedded by effects of the outbox, and passages are looked up.

mod embed;
mod ingest;
mod places;
mod remove;
mod search;

use std::sync::Arc;

use domain::ports::documents::{DocumentCatalogue, DocumentReader};
use domain::ports::embeddings::Embeddings;
use domain::ports::vector_index::VectorIndex;

use crate::runtime::Runtime;
use crate::uploads::Uploads;

pub(crate) use ingest::ingest;
pub use places::Places;
pub(crate) use remove::{base as remove_base, document as remove_document};
pub(crate) use search::cut;
pub use search::{FoundPassage, LONGEST_QUESTION, LookUp, SearchError, Searched};

/// Looks passages up, with what it takes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Knowledge {
    pub runtime: Runtime,
    pub embeddings: Arc<dyn Embeddings>,
    pub index: Arc<dyn VectorIndex>,
    /// Knows which documents are there: a passage of one that was deleted meanwhile is not shown.
    pub catalogue: Arc<dyn DocumentCatalogue>,
}

/// What it takes to read and embed documents.
#[derive(Debug, Clone)]
pub struct KnowledgeDeps {
    pub knowledge: Knowledge,
    pub reader: Arc<dyn DocumentReader>,
    pub uploads: Uploads,
    pub places: Places,
}
