//! Knowledge bases: documents of a client that agents answer from.
//!
//! A [`KnowledgeBase`] has settings; each [`KnowledgeDocument`] in it is a stream of its own, which is read, cut into
//! [passages](chunk) and embedded in steps that outlive a crash.

mod base;
pub mod chunk;
mod document;
mod retrieval;

pub use base::{
    BaseCommand, BasePatch, BaseRefusal, BaseTerms, KnowledgeBase, KnowledgeBaseCreated,
    KnowledgeBaseDeleted, KnowledgeBaseEvent, KnowledgeBaseUpdated, MAX_BASE_NAME, most_passages,
};
pub use document::{
    DocumentCommand, DocumentDeleted, DocumentEvent, DocumentFailed, DocumentFault, DocumentIngested,
    DocumentParsed, DocumentReady, DocumentRefusal, DocumentRetried, DocumentSource, DocumentStatus,
    KnowledgeDocument, MAX_TITLE, ParsingStarted, Revision,
};
pub use retrieval::{Grounds, MAX_AGENT_BASES, MAX_PASSAGES, Passage, Retrieval, Retrieved};
