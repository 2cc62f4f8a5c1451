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
    DocumentCommand::Ingest { base: BASE, title, source: upload(n), replaces: true, origin, now: at(1) }
}

/// A content from the web, of a document that is there or of a new one.
fn fetch(url: &str, replaces: bool) -> DocumentCommand {
    let (title, origin) = ("Prices".to_owned(), Origin::default());
    let source = DocumentSource::Url { url: url.to_owned().into() };
    DocumentCommand::Ingest { base: BASE, title, source, replaces, origin, now: at(1) }
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
    let page = fetch("https://example.com", true);
    after([page.clone(), start(1)]).when(page.clone()).then_nothing();
    let done = state([page.clone(), start(1), parse(1), finish(1)]);
    assert_eq!(done.decide(&page).map(|events| events.len()), Ok(1), "a finished page is read anew");
    // the file of an upload never changes
    after([ingest(1), start(1), parse(1), finish(1)]).when(ingest(1)).then_nothing();
    after([ingest(1), fail(1)]).when(ingest(1)).then_nothing();
}

#[test]
fn a_new_document_that_is_there_was_made_by_the_same_request() {
    let page = fetch("https://example.com", false);
    for steps in [vec![], vec![start(1), parse(1), finish(1)], vec![fail(1)], vec![ingest(2)]] {
        let given: Vec<_> = std::iter::once(page.clone()).chain(steps).collect();
        after(given).when(page.clone()).then_nothing();
    }
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
fn an_upload_goes_once_there_is_a_copy_also_of_a_document_that_failed() {
    let uploads = |commands: Vec<_>| state(commands).needless_uploads().len();
    assert_eq!(uploads(vec![ingest(1), start(1), fail(1)]), 0, "it is read again from the upload");
    assert_eq!(uploads(vec![ingest(1), start(1), parse(1)]), 1);
    assert_eq!(uploads(vec![ingest(1), start(1), parse(1), fail(1)]), 1);
    assert_eq!(uploads(vec![ingest(1), start(1), parse(1), finish(1), ingest(2)]), 0);
    assert_eq!(uploads(vec![ingest(1), delete()]), 1);
}

#[test]
fn files_that_may_have_been_stored_for_contents_never_read_are_known() {
    let given_up = |commands: Vec<_>| state(commands).given_up().collect::<Vec<_>>();
    let replaced = vec![ingest(1), start(1), ingest(2), start(2), parse(2)];
    assert_eq!(given_up(replaced.clone()), [] as [u32; 0], "nothing is removed before it is settled");
    assert_eq!(given_up([replaced, vec![finish(2)]].concat()), [1]);
    assert_eq!(given_up(vec![ingest(1), start(1), delete()]), [1]);
}

#[test]
fn what_is_found_stays_known_while_another_content_is_read_or_fails() {
    let ready =
        |commands: Vec<_>| state(commands).ready().map(|(revision, file)| (*revision, file.object.clone()));
    let first = vec![ingest(1), start(1), parse(1), finish(1)];
    let found = Some((1, file(1).object));
    assert_eq!(ready(vec![ingest(1), start(1), parse(1)]), None);
    assert_eq!(ready(first.clone()), found);
    assert_eq!(ready([first.clone(), vec![ingest(2), start(2), parse(2), fail(2)]].concat()), found);
    let second = [first.clone(), vec![ingest(2), start(2), parse(2), finish(2)]].concat();
    assert_eq!(ready(second), Some((2, file(2).object)));
    assert_eq!(ready([first, vec![delete()]].concat()), None);
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
        replaces: true,
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
