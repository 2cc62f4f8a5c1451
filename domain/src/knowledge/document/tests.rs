//! Rules of a document, told as given, when, then.

use uuid::Uuid;

use super::*;
use crate::aggregate::Aggregate as _;
use crate::call::StoredFile;
use crate::ids::{KnowledgeBaseId, UploadId};
use crate::origin::Origin;
use crate::ports::embeddings::{EmbeddingModel, EmbeddingProvider};
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};

const BASE: KnowledgeBaseId = KnowledgeBaseId(Uuid::from_u128(1));

fn upload(n: u128) -> DocumentSource {
    DocumentSource::Upload { id: UploadId(Uuid::from_u128(n)), declared: "application/pdf".to_owned() }
}

fn ingest(n: u128) -> DocumentCommand {
    let (title, origin) = ("Prices".to_owned(), Origin::default());
    DocumentCommand::Ingest { base: BASE, title, source: upload(n), origin, now: at(1) }
}

fn file(revision: u32) -> StoredFile {
    StoredFile {
        object: format!("clients/c/documents/d/{revision}"),
        bytes: 9,
        sha256: "00".to_owned().into(),
        content_type: "application/pdf".to_owned(),
        key: None,
    }
}

fn start(revision: u32) -> DocumentCommand {
    DocumentCommand::StartParsing { revision, now: at(2) }
}

fn parse(revision: u32) -> DocumentCommand {
    DocumentCommand::Parse { revision, file: file(revision), chunks: 3, pages: None, now: at(3) }
}

fn model() -> EmbeddingModel {
    EmbeddingModel::new(EmbeddingProvider::Hashed, "ngrams", 256)
}

fn finish(revision: u32) -> DocumentCommand {
    DocumentCommand::Finish { revision, model: model(), now: at(4) }
}

fn fail(revision: u32) -> DocumentCommand {
    DocumentCommand::Fail { revision, because: DocumentFault::NoText, now: at(4) }
}

fn retry() -> DocumentCommand {
    DocumentCommand::Retry { origin: Origin::default(), now: at(5) }
}

fn delete() -> DocumentCommand {
    DocumentCommand::Delete { origin: Origin::default(), now: at(6) }
}

fn after(commands: impl IntoIterator<Item = DocumentCommand>) -> Scenario<KnowledgeDocument> {
    scenario::<KnowledgeDocument>().after(commands)
}

fn state(commands: impl IntoIterator<Item = DocumentCommand>) -> KnowledgeDocument {
    let mut state = KnowledgeDocument::default();
    for command in commands {
        for event in state.decide(&command).unwrap() {
            state.evolve(&event);
        }
    }
    state
}

#[test]
fn a_document_goes_through_its_steps_one_by_one() {
    let ready = DocumentReady { base: BASE, revision: 1, chunks: 3, model: model(), at: at(4) };
    after([ingest(1), start(1), parse(1)]).when(finish(1)).then([ready.into()]);
    for (given, too_early) in [
        (vec![ingest(1)], parse(1)),
        (vec![ingest(1)], finish(1)),
        (vec![ingest(1), start(1)], finish(1)),
        (vec![ingest(1), start(1), parse(1), finish(1)], parse(1)),
        (vec![ingest(1), start(1), parse(1), finish(1)], fail(1)),
    ] {
        after(given).when(too_early).then_refused(DocumentRefusal::Stale);
    }
}

#[test]
fn a_node_that_died_while_it_read_begins_again_without_an_event() {
    after([ingest(1), start(1)]).when(start(1)).then_nothing();
}

#[test]
fn another_content_is_a_revision_and_steps_of_the_old_one_are_stale() {
    let given = [ingest(1), start(1), ingest(2)];
    for late in [start(1), parse(1), finish(1), fail(1)] {
        after(given.clone()).when(late).then_refused(DocumentRefusal::Stale);
    }
    let started = ParsingStarted { revision: 2, at: at(2) };
    after(given).when(start(2)).then([started.into()]);
}

#[test]
fn the_very_same_request_again_is_no_news_while_it_is_under_way() {
    after([ingest(1), start(1)]).when(ingest(1)).then_nothing();
    let done = state([ingest(1), start(1), parse(1), finish(1)]);
    assert_eq!(done.decide(&ingest(1)).map(|events| events.len()), Ok(1), "a finished one is read anew");
}

#[test]
fn the_old_file_is_needless_once_the_new_one_is_ready() {
    let both = [ingest(1), start(1), parse(1), finish(1), ingest(2), start(2), parse(2)];
    assert_eq!(state(both.clone()).needless_objects().count(), 0);
    let done = state(both.iter().cloned().chain([finish(2)]));
    assert_eq!(done.needless_objects().collect::<Vec<_>>(), [file(1).object]);
    let gone = state(both.into_iter().chain([finish(2), delete()]));
    assert_eq!(gone.needless_objects().count(), 2);
}

#[test]
fn only_a_failed_document_is_tried_again_and_what_was_read_stays_read() {
    after([ingest(1)]).when(retry()).then_refused(DocumentRefusal::NotFailed);
    let unread = state([ingest(1), start(1), fail(1), retry()]);
    assert_eq!(unread.newest().map(|newest| newest.status), Some(DocumentStatus::Queued));
    let read = state([ingest(1), start(1), parse(1), fail(1), retry()]);
    assert_eq!(read.newest().map(|newest| newest.status), Some(DocumentStatus::Embedding));
}

#[test]
fn a_document_stays_in_its_base_and_needs_a_title() {
    let elsewhere = |title: &str, base| DocumentCommand::Ingest {
        base,
        title: title.to_owned(),
        source: upload(2),
        origin: Origin::default(),
        now: at(9),
    };
    let other = KnowledgeBaseId(Uuid::from_u128(2));
    after([ingest(1)]).when(elsewhere("T", other)).then_refused(DocumentRefusal::OtherBase);
    for bad in ["", " ", &"x".repeat(301)] {
        scenario::<KnowledgeDocument>().when(elsewhere(bad, BASE)).then_refused(DocumentRefusal::BadTitle);
    }
}

#[test]
fn a_deleted_document_does_nothing() {
    for command in [ingest(2), start(1), parse(1), finish(1), fail(1), retry(), delete()] {
        after([ingest(1), delete()]).when(command).then_refused(DocumentRefusal::Unknown);
    }
}
