//! Examples of public events about documents of knowledge bases and about memories.

use domain::call::StoredFile;
use domain::ids::{CallId, CustomerId, KnowledgeBaseId, MessageId, UploadId};
use domain::knowledge::{
    DocumentEvent, DocumentFailed, DocumentFault, DocumentIngested, DocumentParsed, DocumentReady,
    DocumentSource,
};
use domain::memory::{MemoryEvent, MemoryKind, MemoryRecorded, MemorySource};
use domain::origin::Origin;
use domain::ports::embeddings::{EmbeddingModel, EmbeddingProvider};
use uuid::Uuid;

use super::examples::{BASE, at};

/// The events of a document up to the public event `name`.
pub(super) fn document(name: &str) -> Vec<DocumentEvent> {
    let base = KnowledgeBaseId(Uuid::from_u128(BASE + 60));
    let id = UploadId(Uuid::from_u128(BASE + 61));
    let ingested = DocumentIngested {
        base,
        revision: 1,
        title: "Prices 2026".to_owned().into(),
        source: DocumentSource::Upload { id, declared: "application/pdf".to_owned() },
        origin: Origin::default(),
        at: at(0),
    };
    if name == "kb.document_failed" {
        let failed = DocumentFailed { base, revision: 1, because: DocumentFault::NoText, at: at(2) };
        return vec![ingested.into(), failed.into()];
    }
    let file = StoredFile {
        object: String::new(),
        bytes: 48_213,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned().into(),
        content_type: "application/pdf".to_owned(),
        key: None,
    };
    let parsed = DocumentParsed { revision: 1, file, chunks: 14, pages: Some(6), at: at(2) };
    let model = EmbeddingModel::new(EmbeddingProvider::Google, "gemini-embedding-001", 768);
    let ready = DocumentReady { base, revision: 1, chunks: 14, model, at: at(3) };
    vec![ingested.into(), parsed.into(), ready.into()]
}

/// What a call showed of a customer.
pub(super) fn memory() -> MemoryEvent {
    MemoryRecorded {
        customer: CustomerId(Uuid::from_u128(BASE + 62)),
        content: "Prefers calls in the morning.".to_owned().into(),
        kind: MemoryKind::Preference,
        source: MemorySource::Call { id: CallId(Uuid::from_u128(BASE + 3)) },
        evidence: vec![MessageId(Uuid::from_u128(BASE + 63))],
        confidence_permille: 800,
        expires_at: None,
        supersedes: None,
        at: at(40),
    }
    .into()
}
