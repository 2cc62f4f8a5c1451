//! Knowledge bases at work: documents are read and embedded by effects of the outbox, and passages are looked up.

mod ingest;
mod remove;
mod search;

use std::collections::HashSet;
use std::sync::Arc;

use domain::ports::documents::{DocumentCatalogue, DocumentReader};
use domain::ports::embeddings::Embeddings;
use domain::ports::vector_index::VectorIndex;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::runtime::Runtime;
use crate::uploads::Uploads;

pub(crate) use ingest::ingest;
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

/// Places for documents that are read and embedded at the same time. A document has one place at most, so that no step
/// of it overtakes another.
#[derive(Debug, Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<HashSet<Uuid>>>,
}

impl Places {
    /// So many places; at least one.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let free = Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self { free, taken: Arc::default() }
    }

    /// A place for the document until it is dropped; `None` while all are taken, or the document has one.
    fn take(&self, document: Uuid) -> Option<Place> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        let taken = self.taken.clone();
        let first = taken.lock().insert(document);
        // a place that is dropped gives the document's entry back: none is made for one that has a place
        first.then(|| Place { document, taken, _permit: permit })
    }
}

#[derive(Debug)]
struct Place {
    document: Uuid,
    taken: Arc<Mutex<HashSet<Uuid>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.lock().remove(&self.document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_one_place_and_gives_it_back() {
        let places = Places::new(2);
        let [one, two, three] = [1, 2, 3].map(Uuid::from_u128);
        let held = places.take(one);
        assert!(held.is_some() && places.take(one).is_none());
        let other = places.take(two);
        assert!(other.is_some() && places.take(three).is_none(), "all are taken");
        drop(held);
        assert!(places.take(one).is_some());
    }
}
