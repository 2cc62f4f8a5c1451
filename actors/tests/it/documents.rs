//! Documents whose server or model is away, refuses or comes back, on time that is moved by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::Session;
use actors::knowledge::{Knowledge, KnowledgeDeps, Places};
use async_trait::async_trait;
use domain::call::StoredFile;
use domain::envelope::Position;
use domain::ids::{ClientId, DocumentId, KnowledgeBaseId};
use domain::knowledge::chunk::{Block, BlockKind};
use domain::knowledge::{
    BaseCommand, BaseTerms, DocumentCommand, DocumentFault, DocumentSource, DocumentStatus, KnowledgeBase,
    KnowledgeBaseCreated, KnowledgeDocument,
};
use domain::origin::Origin;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock as _;
use domain::ports::documents::{
    ContentAt, ContentOrder, DocumentCatalogue, DocumentReader, DocumentText, KnownDocument, ReadError,
};
use domain::ports::embeddings::{
    Embedding, EmbeddingFailure, EmbeddingModel, EmbeddingProvider, EmbeddingTask, Embeddings,
};
use domain::ports::objects::{ObjectError, ObjectKey};
use domain::ports::vector_index::{Hit, IndexEntry, IndexQuery, Space, VectorIndex};
use uuid::Uuid;

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

fn model() -> EmbeddingModel {
    EmbeddingModel::new(EmbeddingProvider::Google, "m", 2)
}

/// A reader to which every address is a document that says the address.
#[derive(Debug, Default)]
struct ScriptedReader {
    fault: Mutex<Option<ReadError>>,
    stored: Mutex<HashMap<String, String>>,
    attempts: Mutex<usize>,
}

fn text(says: &str) -> DocumentText {
    if says.ends_with("/long") {
        // sections that are long enough to be a passage each
        let section = |n: u32| {
            let heading = Block::new(BlockKind::Heading(1), n.to_string());
            [heading, Block::new(BlockKind::Paragraph, "Some text. ".repeat(40))]
        };
        return DocumentText { blocks: (0..70).flat_map(section).collect(), pages: None };
    }
    DocumentText { blocks: vec![Block::new(BlockKind::Paragraph, says)], pages: None }
}

#[async_trait]
impl DocumentReader for ScriptedReader {
    async fn take(&self, order: &ContentOrder) -> Result<(StoredFile, DocumentText), ReadError> {
        *self.attempts.lock().unwrap() += 1;
        if let Some(fault) = self.fault.lock().unwrap().clone() {
            return Err(fault);
        }
        let ContentAt::Url(address) = &order.content else { panic!("{order:?}") };
        let object = ObjectKey::of_document(order.client, order.document.0, order.attempt).to_string();
        self.stored.lock().unwrap().insert(object.clone(), address.0.clone());
        let file = StoredFile {
            object,
            bytes: 1,
            sha256: "00".to_owned().into(),
            content_type: "text/plain".to_owned(),
            key: None,
        };
        Ok((file, text(&address.0)))
    }

    async fn read(&self, _: ClientId, file: &StoredFile) -> Result<DocumentText, ReadError> {
        let stored = self.stored.lock().unwrap();
        Ok(text(stored.get(&file.object).ok_or(ReadError::Never(DocumentFault::UploadGone))?))
    }

    async fn remove(&self, object: &ObjectKey) -> Result<(), ObjectError> {
        self.stored.lock().unwrap().remove(object.as_str());
        Ok(())
    }
}

/// Fails while it is told to.
#[derive(Debug, Default)]
struct ScriptedModel(Mutex<Option<EmbeddingFailure>>, Mutex<Requests>);

/// How many texts each request had; the one with the number `limited` is over the client's budget.
#[derive(Debug, Default)]
struct Requests {
    texts: Vec<usize>,
    limited: Option<usize>,
}

#[async_trait]
impl Embeddings for ScriptedModel {
    async fn embed(
        &self,
        _: ClientId,
        model: &EmbeddingModel,
        _: EmbeddingTask,
        texts: &[String],
    ) -> Result<Vec<Embedding>, EmbeddingFailure> {
        if let Some(failure) = self.0.lock().unwrap().clone() {
            return Err(failure);
        }
        let mut requests = self.1.lock().unwrap();
        requests.texts.push(texts.len());
        if requests.limited == Some(requests.texts.len()) {
            return Err(EmbeddingFailure::Budget(MINUTE));
        }
        texts.iter().map(|_| Ok(Embedding::normalised(vec![1.0, 1.0], model.dimensions)?)).collect()
    }

    fn default_model(&self) -> EmbeddingModel {
        model()
    }
}

/// The passages of each document.
#[derive(Debug, Default)]
struct Shelf(Mutex<HashMap<Uuid, Vec<String>>>);

#[async_trait]
impl VectorIndex for Shelf {
    async fn put(&self, _: Space, _: &EmbeddingModel, _: &[IndexEntry]) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn replace_group(
        &self,
        _: Space,
        _: &EmbeddingModel,
        group: Uuid,
        entries: &[IndexEntry],
    ) -> Result<(), StoreUnavailable> {
        assert!(entries.iter().all(|entry| entry.vector.is_some()));
        let texts = entries.iter().map(|entry| entry.text.clone()).collect();
        self.0.lock().unwrap().insert(group, texts);
        Ok(())
    }

    async fn set_vectors(
        &self,
        _: Space,
        _: &EmbeddingModel,
        _: &[IndexEntry],
    ) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn remove(&self, _: Space, _: &[Uuid]) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn search(&self, _: Space, _: &IndexQuery<'_>) -> Result<Vec<Hit>, StoreUnavailable> {
        Ok(vec![])
    }

    async fn without_vector(
        &self,
        _: Space,
        _: &EmbeddingModel,
        _: Option<Uuid>,
        _: usize,
    ) -> Result<Vec<IndexEntry>, StoreUnavailable> {
        Ok(vec![])
    }

    async fn clients_with_memories(
        &self,
        _: Option<ClientId>,
        _: usize,
    ) -> Result<Vec<ClientId>, StoreUnavailable> {
        Ok(vec![])
    }

    async fn keep_only(&self, _: Space, _: &EmbeddingModel) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn erase(&self, _: Space) -> Result<(), StoreUnavailable> {
        self.0.lock().unwrap().clear();
        Ok(())
    }

    async fn progress(&self, _: &str) -> Result<Position, StoreUnavailable> {
        Ok(Position::START)
    }

    async fn reached(&self, _: &str, _: Position) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn has_group(&self, _: Space, group: Uuid) -> Result<bool, StoreUnavailable> {
        Ok(self.0.lock().unwrap().get(&group).is_some_and(|texts| !texts.is_empty()))
    }
}

#[derive(Debug)]
struct NoViews;

#[async_trait]
impl DocumentCatalogue for NoViews {
    async fn known(&self, _: ClientId, _: &[DocumentId]) -> Result<Vec<KnownDocument>, StoreUnavailable> {
        Ok(vec![])
    }

    async fn of_base(
        &self,
        _: ClientId,
        _: KnowledgeBaseId,
        _: Position,
        _: u32,
    ) -> Result<Option<Vec<DocumentId>>, StoreUnavailable> {
        Ok(Some(vec![]))
    }

    /// One passage less than a base may have with vectors of two numbers, in the base that is nearly full.
    async fn passages_beside(
        &self,
        _: ClientId,
        _: KnowledgeBaseId,
        document: DocumentId,
    ) -> Result<u64, StoreUnavailable> {
        let most = domain::knowledge::most_passages(&model());
        // room for the longest of these documents, and for not one passage more
        Ok(if document == TOO_MUCH { most } else { most - 70 })
    }
}

struct Library {
    world: World,
    reader: Arc<ScriptedReader>,
    model: Arc<ScriptedModel>,
    shelf: Arc<Shelf>,
    base: KnowledgeBaseId,
}

impl Library {
    async fn new() -> Self {
        let library = Self::closed().await;
        library.open();
        library
    }

    /// One whose node does no work yet.
    async fn closed() -> Self {
        let world = World::new();
        let (reader, model, shelf) =
            (Arc::<ScriptedReader>::default(), Arc::<ScriptedModel>::default(), Arc::<Shelf>::default());
        let base = KnowledgeBaseId(world.runtime.ids.next());
        let terms = BaseTerms { name: "Clinic".to_owned(), description: None, embedding: self::model() };
        let created = KnowledgeBaseCreated { terms, origin: Origin::default(), at: world.clock.now() };
        let mut session = Session::<KnowledgeBase>::new(world.runtime.clone(), base.stream());
        session.execute(&BaseCommand::Create(Box::new(created)), &world.context(), None).await.unwrap();
        Self { world, reader, model, shelf, base }
    }

    fn open(&self) {
        let knowledge = Knowledge {
            runtime: self.world.runtime.clone(),
            embeddings: self.model.clone(),
            index: self.shelf.clone(),
            catalogue: Arc::new(NoViews),
        };
        let (reader, uploads) = (self.reader.clone(), self.world.uploads.clone());
        self.world.start_work_with(Some(KnowledgeDeps {
            knowledge,
            reader,
            uploads,
            places: Places::new(2),
        }));
    }

    /// Another node goes on with the log, the work, the files and the index.
    fn taken_over(self) -> Self {
        let Self { world, reader, model, shelf, base } = self;
        let (store, work, clock) = (world.store.clone(), world.work.clone(), world.clock.clone());
        drop(world);
        let world = World::beside(store, work, clock, "node-2");
        let library = Self { world, reader, model, shelf, base };
        library.open();
        library
    }

    async fn record(&self, document: DocumentId, command: DocumentCommand) {
        let mut session = Session::<KnowledgeDocument>::new(self.world.runtime.clone(), document.stream());
        session.execute(&command, &self.world.context(), None).await.unwrap();
    }

    async fn tell(&self, document: DocumentId, command: DocumentCommand) {
        self.record(document, command).await;
        self.world.settle().await;
    }

    async fn versions(&self, document: DocumentId) -> u64 {
        let mut session = Session::<KnowledgeDocument>::new(self.world.runtime.clone(), document.stream());
        session.refresh().await.unwrap();
        session.version().0
    }

    fn wanted(&self, url: &str) -> DocumentCommand {
        DocumentCommand::Ingest {
            base: self.base,
            title: "Prices".to_owned(),
            source: DocumentSource::Url { url: url.to_owned().into() },
            replaces: true,
            origin: Origin::default(),
            now: self.world.clock.now(),
        }
    }

    async fn ingest(&self, document: DocumentId, url: &str) {
        self.tell(document, self.wanted(url)).await;
    }

    async fn retry(&self, document: DocumentId) {
        let now = self.world.clock.now();
        self.tell(document, DocumentCommand::Retry { origin: Origin::default(), now }).await;
    }

    async fn status(&self, document: DocumentId) -> DocumentStatus {
        let mut session = Session::<KnowledgeDocument>::new(self.world.runtime.clone(), document.stream());
        session.refresh().await.unwrap();
        session.state().newest().unwrap().status
    }

    /// The type of the document's last event, and the fault in it.
    async fn last(&self, document: DocumentId) -> (String, String) {
        use domain::ports::event_store::{Direction, EventStore as _};
        let stream = document.stream();
        let all =
            self.world.store.read_stream(&stream, domain::envelope::Version::NONE, Direction::Forwards, 100);
        let last = all.await.unwrap().pop().unwrap();
        let body = domain::wire::readable(&last.event_type, &last.payload).unwrap();
        (last.event_type.to_string(), body["because"].as_str().unwrap_or_default().to_owned())
    }

    /// Hours, in steps of a minute.
    async fn wait(&self, hours: u32) {
        for _ in 0..hours * 60 {
            self.world.clock.advance(MINUTE);
            self.world.settle().await;
        }
    }

    /// Second by second, while something may be under way: what runs on other threads comes to its end in between.
    async fn until(&self, done: impl AsyncFn() -> bool) {
        for _ in 0..1_000 {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            if done().await {
                return;
            }
            self.world.clock.advance(Duration::from_secs(1));
        }
        let asked = self.model.1.lock().unwrap().texts.clone();
        panic!("it never comes to that: {:?}, {asked:?}", self.last(DOCUMENT).await);
    }

    fn passages(&self, document: DocumentId) -> Vec<String> {
        self.shelf.0.lock().unwrap().get(&document.0).cloned().unwrap_or_default()
    }
}

const DOCUMENT: DocumentId = DocumentId(Uuid::from_u128(501));
/// A document for which its knowledge base has no room.
const TOO_MUCH: DocumentId = DocumentId(Uuid::from_u128(502));

fn failed(because: &str) -> (String, String) {
    ("kb_document.failed".to_owned(), because.to_owned())
}

#[actix::test]
async fn a_server_that_does_not_answer_is_given_a_day_and_a_person_may_try_again() {
    let library = Library::new().await;
    *library.reader.fault.lock().unwrap() = Some(ReadError::NotYet("away".to_owned()));
    library.ingest(DOCUMENT, "https://example.test/a").await;
    library.wait(23).await;
    assert_eq!(library.status(DOCUMENT).await, DocumentStatus::Parsing);
    let attempts = *library.reader.attempts.lock().unwrap();
    assert!((20..=400).contains(&attempts), "pauses grow, up to five minutes: {attempts}");
    library.wait(2).await;
    assert_eq!(library.last(DOCUMENT).await, failed("fetch_failed"));

    *library.reader.fault.lock().unwrap() = None;
    library.retry(DOCUMENT).await;
    assert_eq!(library.status(DOCUMENT).await, DocumentStatus::Ready);
    assert_eq!(library.passages(DOCUMENT), ["https://example.test/a"]);
}

#[actix::test]
async fn a_model_that_is_away_is_waited_for_while_the_old_passages_are_found() {
    let library = Library::new().await;
    library.ingest(DOCUMENT, "https://example.test/old").await;
    assert_eq!(library.passages(DOCUMENT), ["https://example.test/old"]);
    let away = EmbeddingFailure::Count { wanted: 1, got: 0 };
    *library.model.0.lock().unwrap() = Some(away);
    library.ingest(DOCUMENT, "https://example.test/new").await;
    library.wait(1).await;
    assert_eq!(library.status(DOCUMENT).await, DocumentStatus::Embedding);
    assert_eq!(library.passages(DOCUMENT), ["https://example.test/old"]);
    *library.model.0.lock().unwrap() = None;
    library.wait(1).await;
    assert_eq!(library.status(DOCUMENT).await, DocumentStatus::Ready);
    assert_eq!(library.passages(DOCUMENT), ["https://example.test/new"]);
    assert_eq!(library.reader.stored.lock().unwrap().len(), 1, "the old file is removed");
}

#[actix::test]
async fn a_model_that_stays_away_fails_after_a_day_and_one_that_refuses_at_once() {
    let library = Library::new().await;
    *library.model.0.lock().unwrap() = Some(EmbeddingFailure::Count { wanted: 1, got: 0 });
    library.ingest(DOCUMENT, "https://example.test/a").await;
    library.wait(25).await;
    assert_eq!(library.last(DOCUMENT).await, failed("embedding_failed"));
    // what was read stays read
    let read = *library.reader.attempts.lock().unwrap();
    *library.model.0.lock().unwrap() = Some(EmbeddingFailure::NotConfigured(EmbeddingProvider::Google));
    library.retry(DOCUMENT).await;
    assert_eq!(library.last(DOCUMENT).await, failed("embedding_refused"));
    assert_eq!(*library.reader.attempts.lock().unwrap(), read);
    assert_eq!(library.passages(DOCUMENT), [] as [String; 0]);
}

#[actix::test]
async fn a_deleted_document_leaves_neither_passages_nor_files() {
    let library = Library::new().await;
    library.ingest(DOCUMENT, "https://example.test/a").await;
    let now = library.world.clock.now();
    library.tell(DOCUMENT, DocumentCommand::Delete { origin: Origin::default(), now }).await;
    assert_eq!(library.passages(DOCUMENT), [] as [String; 0]);
    assert!(library.reader.stored.lock().unwrap().is_empty());
}

#[actix::test]
async fn what_a_new_index_lacks_is_read_again_without_an_event() {
    let library = Library::new().await;
    library.ingest(DOCUMENT, "https://example.test/a").await;
    let before = library.versions(DOCUMENT).await;
    // the views are deleted, the work is not
    library.shelf.0.lock().unwrap().clear();
    let library = library.taken_over();
    library.wait(1).await;
    assert_eq!(library.passages(DOCUMENT), ["https://example.test/a"]);
    assert_eq!(library.versions(DOCUMENT).await, before);

    // a newer content that fails leaves the old passages to be found, also by another index
    *library.reader.fault.lock().unwrap() = Some(ReadError::Never(DocumentFault::Damaged));
    library.ingest(DOCUMENT, "https://example.test/b").await;
    library.shelf.0.lock().unwrap().clear();
    let library = library.taken_over();
    library.wait(1).await;
    assert_eq!(library.status(DOCUMENT).await, DocumentStatus::Failed);
    assert_eq!(library.passages(DOCUMENT), ["https://example.test/a"]);
}

#[actix::test]
async fn a_restored_log_gives_the_passages_back() {
    let library = Library::closed().await;
    let (now, object) = (library.world.clock.now(), "clients/c/documents/d/e".to_owned());
    library.reader.stored.lock().unwrap().insert(object.clone(), "kept".to_owned());
    let file = StoredFile {
        object,
        bytes: 1,
        sha256: "00".to_owned().into(),
        content_type: "text/plain".to_owned(),
        key: None,
    };
    for step in [
        library.wanted("https://example.test/a"),
        DocumentCommand::StartParsing { revision: 1, now },
        DocumentCommand::Parse { revision: 1, file, chunks: 1, pages: None, now },
        DocumentCommand::Finish { revision: 1, model: model(), now },
    ] {
        library.record(DOCUMENT, step).await;
    }
    library.open();
    library.world.settle().await;
    assert_eq!(library.passages(DOCUMENT), ["kept"]);
    assert_eq!(*library.reader.attempts.lock().unwrap(), 0, "it is not fetched again");
}

#[actix::test]
async fn a_document_for_which_the_base_has_no_room_fails_and_leaves_no_file() {
    let library = Library::new().await;
    library.ingest(DOCUMENT, "https://example.test/last").await;
    assert_eq!(library.status(DOCUMENT).await, DocumentStatus::Ready);
    library.ingest(TOO_MUCH, "https://example.test/one-more").await;
    assert_eq!(library.last(TOO_MUCH).await, failed("base_full"));
    assert_eq!(library.reader.stored.lock().unwrap().len(), 1);
}

#[actix::test]
async fn a_document_that_waited_long_for_a_place_is_given_a_day_from_its_first_attempt() {
    let library = Library::closed().await;
    *library.reader.fault.lock().unwrap() = Some(ReadError::NotYet("away".to_owned()));
    library.record(DOCUMENT, library.wanted("https://example.test/a")).await;
    for _ in 0..30 * 60 {
        library.world.clock.advance(MINUTE);
    }
    library.open();
    library.wait(2).await;
    assert_eq!(library.status(DOCUMENT).await, DocumentStatus::Parsing);
    *library.reader.fault.lock().unwrap() = None;
    library.wait(1).await;
    assert_eq!(library.status(DOCUMENT).await, DocumentStatus::Ready);
}

#[actix::test]
async fn vectors_that_are_made_outlive_a_limit_of_the_rate() {
    let library = Library::new().await;
    library.model.1.lock().unwrap().limited = Some(2);
    library.record(DOCUMENT, library.wanted("https://example.test/long")).await;
    library.until(async || library.status(DOCUMENT).await == DocumentStatus::Ready).await;
    assert_eq!(library.model.1.lock().unwrap().texts, [64, 6, 6], "the first ones are not asked for again");
    assert_eq!(library.passages(DOCUMENT).len(), 70);
}

#[actix::test]
async fn a_deletion_does_not_wait_for_what_was_limited() {
    let library = Library::new().await;
    library.model.1.lock().unwrap().limited = Some(2);
    library.record(DOCUMENT, library.wanted("https://example.test/long")).await;
    library.until(async || library.model.1.lock().unwrap().texts.len() == 2).await;
    let now = library.world.clock.now();
    library.record(DOCUMENT, DocumentCommand::Delete { origin: Origin::default(), now }).await;
    library.until(async || library.reader.stored.lock().unwrap().is_empty()).await;
    library.world.settle().await;
    assert_eq!(library.model.1.lock().unwrap().texts, [64, 6], "nothing is embedded for nobody");
    assert_eq!(library.passages(DOCUMENT), [] as [String; 0]);
}
