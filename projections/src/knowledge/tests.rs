//! What clients see of a document after each of its events.

use domain::call::StoredFile;
use domain::envelope::{Position, Time, Version};
use domain::ids::{ClientId, KnowledgeBaseId, UploadId};
use domain::knowledge::{
    DocumentDeleted, DocumentFailed, DocumentFault, DocumentIngested, DocumentParsed, DocumentReady,
    DocumentRetried, DocumentSource, ParsingStarted,
};
use domain::origin::Origin;
use domain::ports::embeddings::{EmbeddingModel, EmbeddingProvider};
use uuid::Uuid;

use super::*;
use crate::view::{At, View as _};

const BASE: KnowledgeBaseId = KnowledgeBaseId(Uuid::from_u128(1));

fn at(seconds: i64) -> Time {
    Time::from_timestamp(seconds, 0).unwrap()
}

fn ingested(revision: u32) -> DocumentIngested {
    let id = UploadId(Uuid::from_u128(u128::from(revision)));
    DocumentIngested {
        base: BASE,
        revision,
        title: format!("Prices {revision}").into(),
        source: DocumentSource::Upload { id, declared: "text/csv".to_owned() },
        origin: Origin::default(),
        at: at(1),
    }
}

fn parsed(revision: u32, chunks: u32) -> DocumentParsed {
    let file = StoredFile {
        object: "clients/c/documents/d/e".to_owned(),
        bytes: 9,
        sha256: "ab".to_owned().into(),
        content_type: "text/csv".to_owned(),
        key: None,
    };
    DocumentParsed { revision, file, chunks, pages: None, at: at(2) }
}

fn ready(revision: u32, chunks: u32) -> DocumentReady {
    let model = EmbeddingModel::new(EmbeddingProvider::Hashed, "ngrams", 256);
    DocumentReady { base: BASE, revision, chunks, model, at: at(3) }
}

fn fold(facts: impl IntoIterator<Item = domain::knowledge::DocumentEvent>) -> KnowledgeDocumentRow {
    let mut row = None;
    for (n, fact) in facts.into_iter().enumerate() {
        let (position, version) = (Position(n as u64 + 1), Version(n as u64 + 1));
        let (id, client) = (Uuid::from_u128(9), ClientId(Uuid::from_u128(2)));
        KnowledgeDocuments::apply(&mut row, &At { id, client, position, version, recorded_at: at(9) }, fact);
    }
    row.unwrap()
}

#[test]
fn a_new_content_leaves_the_passages_of_the_old_one_in_place_until_it_is_ready() {
    let first = [ingested(1).into(), ParsingStarted { revision: 1, at: at(1) }.into(), parsed(1, 3).into()];
    let first = first.into_iter().chain([ready(1, 3).into()]);
    let again = fold(first.clone().chain([ingested(2).into()])).view;
    assert_eq!((again.revision, again.ready_revision, again.status.as_str()), (2, Some(1), "queued"));
    assert_eq!(again.title.as_deref(), Some("Prices 2"));
    let done = fold(first.chain([ingested(2).into(), parsed(2, 5).into(), ready(2, 5).into()])).view;
    assert_eq!((done.ready_revision, done.chunks, done.version), (Some(2), Some(5), 7));
}

#[test]
fn a_failure_is_told_until_the_document_is_tried_again() {
    let because = DocumentFault::Encrypted;
    let failed = DocumentFailed { base: BASE, revision: 1, because, at: at(2) };
    let view = fold([ingested(1).into(), failed.clone().into()]).view;
    assert_eq!((view.status.as_str(), view.failure.as_deref()), ("failed", Some("encrypted")));
    let view = fold([ingested(1).into(), failed.into(), ingested(2).into()]).view;
    assert_eq!((view.status.as_str(), view.failure), ("queued", None));
}

#[test]
fn a_document_that_is_tried_again_is_at_the_step_that_the_rules_begin_with() {
    let failed = |revision| {
        let because = DocumentFault::EmbeddingFailed;
        DocumentFailed { base: BASE, revision, because, at: at(2) }.into()
    };
    let retried = |revision| DocumentRetried { revision, origin: Origin::default(), at: at(3) }.into();
    let view = |facts: Vec<domain::knowledge::DocumentEvent>| fold(facts).view;
    let read = vec![ingested(1).into(), parsed(1, 3).into(), failed(1), retried(1)];
    assert_eq!((view(read.clone()).status.as_str(), view(read).read_revision), ("embedding", Some(1)));
    assert_eq!(view(vec![ingested(1).into(), failed(1), retried(1)]).status, "queued");
    // the first content was read, the second was not
    let second = vec![ingested(1).into(), parsed(1, 3).into(), ingested(2).into(), failed(2), retried(2)];
    assert_eq!((view(second.clone()).status.as_str(), view(second).read_revision), ("queued", Some(1)));
}

#[test]
fn the_row_of_a_deleted_document_has_no_title_and_no_hash() {
    let deleted = DocumentDeleted { base: BASE, origin: Origin::default(), at: at(4) };
    let row = fold([ingested(1).into(), parsed(1, 3).into(), deleted.into()]);
    assert!(row.removed && row.view.title.is_none() && row.view.sha256.is_none());
}

#[test]
fn a_base_is_as_its_documents_are() {
    let status = |documents, under_way, failed| {
        let created = domain::knowledge::KnowledgeBaseCreated {
            terms: domain::knowledge::BaseTerms {
                name: "Clinic".to_owned(),
                description: None,
                embedding: EmbeddingModel::new(EmbeddingProvider::Hashed, "ngrams", 256),
            },
            origin: Origin::default(),
            at: at(1),
        };
        let mut row = None;
        let (id, client) = (BASE.0, ClientId(Uuid::from_u128(2)));
        let at = At { id, client, position: Position(1), version: Version(1), recorded_at: at(1) };
        KnowledgeBases::apply(&mut row, &at, created.into());
        let sums = BaseSums { documents, under_way, failed, chunks: 0, bytes: 0 };
        row.unwrap().view.with(sums).status.unwrap()
    };
    assert_eq!(status(0, 0, 0), "empty");
    assert_eq!(status(2, 1, 1), "processing");
    assert_eq!(status(2, 0, 1), "ready");
    assert_eq!(status(2, 0, 2), "failed");
}
