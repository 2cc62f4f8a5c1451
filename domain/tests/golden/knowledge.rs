//! Events of knowledge bases and their documents.

use domain::call::StoredFile;
use domain::ids::{KnowledgeBaseId, UploadId};
use domain::knowledge::{
    BaseTerms, DocumentDeleted, DocumentEvent, DocumentFailed, DocumentFault, DocumentIngested,
    DocumentParsed, DocumentReady, DocumentRetried, DocumentSource, KnowledgeBaseCreated,
    KnowledgeBaseDeleted, KnowledgeBaseEvent, KnowledgeBaseUpdated, ParsingStarted,
};
use domain::ports::embeddings::{EmbeddingModel, EmbeddingProvider};
use domain::ports::vault::Sealed;
use serde_bytes::ByteBuf;

use super::samples::{at, id, origin};

fn model() -> EmbeddingModel {
    EmbeddingModel::new(EmbeddingProvider::Google, "gemini-embedding-001", 768)
}

pub fn base() -> Vec<KnowledgeBaseEvent> {
    let terms = |name: &str| BaseTerms {
        name: name.to_owned(),
        description: Some("Opening hours and prices.".to_owned()),
        embedding: model(),
    };
    vec![
        KnowledgeBaseCreated { terms: terms("Clinic"), origin: origin(), at: at(0) }.into(),
        KnowledgeBaseUpdated { before: terms("Clinic"), after: terms("Praxis"), origin: origin(), at: at(1) }
            .into(),
        KnowledgeBaseDeleted { origin: origin(), at: at(2) }.into(),
    ]
}

pub fn document() -> Vec<DocumentEvent> {
    let base = KnowledgeBaseId(id(90));
    let file = StoredFile {
        object: "clients/01938f6a-2b7c-7d1e-8a00-000000000001/documents/a/b".to_owned(),
        bytes: 48_213,
        sha256: "9f86d081".to_owned().into(),
        content_type: "application/pdf".to_owned(),
        key: Some(Sealed { key: id(91), bytes: ByteBuf::from([7; 40]) }.into()),
    };
    vec![
        DocumentIngested {
            base,
            revision: 1,
            title: "Prices".to_owned().into(),
            source: DocumentSource::Upload { id: UploadId(id(92)), declared: "application/pdf".to_owned() },
            origin: origin(),
            at: at(0),
        }
        .into(),
        ParsingStarted { revision: 1, at: at(1) }.into(),
        DocumentParsed { revision: 1, file, chunks: 14, pages: Some(6), at: at(2) }.into(),
        DocumentReady { base, revision: 1, chunks: 14, model: model(), at: at(3) }.into(),
        DocumentFailed { base, revision: 1, because: DocumentFault::NoText, at: at(4) }.into(),
        DocumentRetried { revision: 1, origin: origin(), at: at(5) }.into(),
        DocumentDeleted { base, origin: origin(), at: at(6) }.into(),
    ]
}
