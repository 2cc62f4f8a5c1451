//! Knowledge bases and their documents, as clients see them.

mod bases;
mod documents;
mod queries;
#[cfg(test)]
mod tests;

pub use bases::{BASE_STATUSES, EmbeddingView, KnowledgeBaseRow, KnowledgeBaseView, KnowledgeBases};
pub use documents::{KnowledgeDocumentRow, KnowledgeDocumentView, KnowledgeDocuments, SOURCES, SourceView};
pub use queries::{BaseSums, DocumentFilter, KnowledgeQueries};
