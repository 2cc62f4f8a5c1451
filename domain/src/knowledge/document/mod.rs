//! A document of a knowledge base, from the upload to passages that are found.

mod event;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    DocumentDeleted, DocumentEvent, DocumentFailed, DocumentFault, DocumentIngested, DocumentParsed,
    DocumentReady, DocumentRetried, DocumentSource, ParsingStarted,
};
pub use rules::{DocumentCommand, DocumentRefusal, DocumentStatus, KnowledgeDocument, MAX_TITLE, Revision};
