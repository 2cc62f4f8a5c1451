//! What knowledge bases need: passages are looked up with the index and the models of memories, and documents are read.

use actors::knowledge::{Knowledge, KnowledgeDeps, Places};
use actors::memory::MemoryService;
use actors::uploads::Uploads;

use super::stores::Stores;
use crate::config::Config;

/// What looks passages up.
pub(super) fn knowledge(stores: &Stores, memories: &MemoryService) -> Knowledge {
    Knowledge {
        runtime: stores.runtime.clone(),
        index: memories.index.clone(),
        embeddings: memories.embeddings.clone(),
        catalogue: stores.views.clone(),
    }
}

/// What reads and embeds documents.
pub(super) fn deps(
    config: &Config,
    stores: &Stores,
    knowledge: &Knowledge,
    uploads: &Uploads,
) -> KnowledgeDeps {
    KnowledgeDeps {
        knowledge: knowledge.clone(),
        reader: stores.edges.documents.clone(),
        uploads: uploads.clone(),
        places: Places::new(config.documents.concurrency.get()),
    }
}
