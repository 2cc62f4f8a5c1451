//! Reads, cuts and embeds the newest content of a document, step by step: each step is in the log before the next one
//! begins, so another node goes on where this one stopped.

use std::time::Duration;

use chrono::TimeDelta;
use domain::call::StoredFile;
use domain::envelope::Position;
use domain::ids::{ChunkId, ClientId, DocumentId, KnowledgeBaseId, derive};
use domain::knowledge::chunk::{Sizes, chunks};
use domain::knowledge::{
    DocumentCommand, DocumentFault, DocumentRefusal, DocumentSource, DocumentStatus, KnowledgeDocument,
    Revision,
};
use domain::origin::Origin;
use domain::ports::documents::{ContentAt, ContentOrder, DocumentText, ReadError, WebAddress};
use domain::ports::embeddings::{EmbeddingModel, EmbeddingTask};
use domain::ports::outbox::OutboxItem;
use domain::ports::vector_index::{Collection, IndexEntry, Space};
use domain::upload::UploadRefusal;
use tokio_util::sync::CancellationToken;

use super::KnowledgeDeps;
use crate::context::CommandContext;
use crate::outbox::{NextStep, long_pause};
use crate::session::{CommandError, Session};
use crate::uploads::UploadError;

/// How long a server or a provider may be away. Each content is tried at least once, however old it is.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// Texts that are embedded with one request.
const BATCH: usize = 64;
/// Most passages of a document.
const MAX_CHUNKS: usize = 10_000;

/// What came of a step.
enum Step {
    /// The next one may follow.
    Done,
    /// No step is left.
    Over,
    Later {
        why: String,
        pause: Option<Duration>,
    },
    Failed(DocumentFault),
}

struct Ingestion<'a> {
    deps: &'a KnowledgeDeps,
    item: &'a OutboxItem,
    session: Session<KnowledgeDocument>,
}

/// Brings the document's newest content as far as possible.
pub(crate) async fn ingest(
    deps: &KnowledgeDeps,
    item: &OutboxItem,
    lease_lost: &CancellationToken,
) -> Result<NextStep, CommandError<DocumentRefusal>> {
    let Some(_place) = deps.places.take(item.subject) else {
        return Ok(NextStep::postpone(Duration::from_secs(1), &"other documents are being read"));
    };
    let document = DocumentId(item.subject);
    let session = Session::new(deps.knowledge.runtime.clone(), document.stream());
    let mut ingestion = Ingestion { deps, item, session };
    // a node that stops does not wait for a document: the next one goes on
    let ended = lease_lost.run_until_cancelled(ingestion.steps()).await;
    ended.unwrap_or_else(|| Ok(NextStep::postpone(Duration::from_secs(1), &"the node stops")))
}

impl Ingestion<'_> {
    fn document(&self) -> DocumentId {
        DocumentId(self.item.subject)
    }

    fn client(&self) -> ClientId {
        self.item.client
    }

    async fn steps(&mut self) -> Result<NextStep, CommandError<DocumentRefusal>> {
        loop {
            self.session.refresh().await?;
            let Some(newest) = self.session.state().newest().cloned() else {
                return Ok(NextStep::NOTHING_TO_DO);
            };
            let step = match newest.status {
                DocumentStatus::Queued | DocumentStatus::Parsing => self.parse(&newest).await?,
                DocumentStatus::Embedding => self.embed(&newest).await?,
                DocumentStatus::Ready => self.tidy().await,
                DocumentStatus::Failed => Step::Over,
            };
            let number = newest.number;
            match step {
                Step::Done => {}
                Step::Over => return Ok(NextStep::NOTHING_TO_DO),
                Step::Failed(because) => self.fail(number, because).await?,
                Step::Later { why, pause } => {
                    let settled = newest.status == DocumentStatus::Ready;
                    if settled || self.item.attempts == 0 || self.is_patient().await? {
                        let attempts = self.item.attempts + 1;
                        let pause = pause.unwrap_or_else(|| long_pause(attempts, self.item.effect_id));
                        return Ok(NextStep::postpone(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE), &why));
                    }
                    let because = match newest.status {
                        DocumentStatus::Embedding => DocumentFault::EmbeddingFailed,
                        _ => DocumentFault::FetchFailed,
                    };
                    self.fail(number, because).await?;
                }
            }
        }
    }

    /// Whether what is away may still be waited for.
    async fn is_patient(&self) -> Result<bool, CommandError<DocumentRefusal>> {
        let runtime = &self.deps.knowledge.runtime;
        let before = Position(self.item.position.0.saturating_sub(1));
        let asked = runtime.store.read_all(before, 1).await?;
        let now = runtime.clock.now();
        Ok(asked.first().is_some_and(|asked| now < asked.recorded_at + PATIENCE))
    }

    async fn tell(&mut self, command: DocumentCommand) -> Result<Step, CommandError<DocumentRefusal>> {
        let context = CommandContext::following("outbox", self.client(), &self.item.cause);
        match self.session.execute(&command, &context, None).await {
            Ok(_) => Ok(Step::Done),
            // another content came, or the document is deleted: the next look finds that
            Err(CommandError::Refused(DocumentRefusal::Stale | DocumentRefusal::Unknown)) => Ok(Step::Done),
            Err(error) => Err(error),
        }
    }

    async fn fail(
        &mut self,
        revision: u32,
        because: DocumentFault,
    ) -> Result<(), CommandError<DocumentRefusal>> {
        metrics::counter!(domain::metrics::DOCUMENTS_INGESTED, "outcome" => because.as_str()).increment(1);
        tracing::info!(document.id = %self.document(), because = because.as_str(), "a document failed");
        let now = self.deps.knowledge.runtime.clock.now();
        self.tell(DocumentCommand::Fail { revision, because, now }).await.map(drop)
    }

    /// The model of the knowledge base. Without the base, its document is deleted.
    async fn model(
        &mut self,
    ) -> Result<Result<(KnowledgeBaseId, EmbeddingModel), Step>, CommandError<DocumentRefusal>> {
        let Some(base) = self.session.state().base() else { return Ok(Err(Step::Over)) };
        match self.deps.knowledge.model_of(self.client(), base).await {
            Ok(Some(model)) => Ok(Ok((base, model))),
            Ok(None) => {
                let now = self.deps.knowledge.runtime.clock.now();
                self.tell(DocumentCommand::Delete { origin: Origin::default(), now }).await?;
                Ok(Err(Step::Over))
            }
            Err(error) => Ok(Err(Step::Later { why: error.to_string(), pause: None })),
        }
    }

    async fn parse(&mut self, newest: &Revision) -> Result<Step, CommandError<DocumentRefusal>> {
        if let Err(step) = self.model().await? {
            return Ok(step);
        }
        let (revision, clock) = (newest.number, self.deps.knowledge.runtime.clock.clone());
        if newest.status == DocumentStatus::Queued {
            return self.tell(DocumentCommand::StartParsing { revision, now: clock.now() }).await;
        }
        let content = match self.content(newest).await {
            Ok(content) => content,
            Err(step) => return Ok(step),
        };
        let (client, document) = (self.client(), self.document());
        let attempt = self.deps.knowledge.runtime.ids.next();
        let began = clock.monotonic();
        let order = ContentOrder { client, document, attempt, content };
        let (file, text) = match self.deps.reader.take(&order).await {
            Ok(taken) => taken,
            Err(ReadError::NotYet(why)) => return Ok(Step::Later { why, pause: None }),
            Err(ReadError::Never(fault)) => return Ok(Step::Failed(fault)),
        };
        metrics::histogram!(domain::metrics::DOCUMENT_READ_SECONDS)
            .record(clock.monotonic().saturating_duration_since(began).as_secs_f64());
        let pages = text.pages;
        let count = match passages(document, revision, text).await {
            Ok(entries) => entries.len() as u32,
            Err(fault) => {
                self.discard(&file).await;
                return Ok(Step::Failed(fault));
            }
        };
        let object = file.object.clone();
        let parse =
            DocumentCommand::Parse { revision, file: file.clone(), chunks: count, pages, now: clock.now() };
        let step = self.tell(parse).await?;
        self.session.refresh().await?;
        let parsed = self.session.state().newest().and_then(|newest| newest.parsed.as_ref());
        if parsed.is_none_or(|(kept, _)| kept.object != object) {
            // another content came meanwhile, or the document was deleted
            self.discard(&file).await;
        }
        Ok(step)
    }

    async fn discard(&self, file: &StoredFile) {
        let Ok(object) = file.object.parse() else { return };
        if let Err(error) = self.deps.reader.remove(&object).await {
            tracing::warn!(%error, "a file that nobody knows of stays in the object store");
        }
    }

    /// Where the content is. An uploaded file is taken for the document: nobody else can take it from now on.
    async fn content(&self, newest: &Revision) -> Result<ContentAt, Step> {
        match &newest.source {
            DocumentSource::Url { url } => match url.reveal() {
                Some(url) => Ok(ContentAt::Url(WebAddress(url.clone()))),
                None => Err(Step::Failed(DocumentFault::UploadGone)),
            },
            DocumentSource::Upload { id, declared } => {
                let context = CommandContext::following("outbox", self.client(), &self.item.cause);
                let by = format!("{} {}", self.document(), newest.number);
                let taken = self.deps.uploads.take(&context, *id, &by).await;
                let taken = taken.map_err(|error| match error {
                    UploadError::Command(CommandError::Refused(UploadRefusal::TooLarge { .. })) => {
                        Step::Failed(DocumentFault::TooLarge)
                    }
                    UploadError::Command(CommandError::Refused(_) | CommandError::OtherClient) => {
                        Step::Failed(DocumentFault::UploadGone)
                    }
                    UploadError::OtherType { .. } => Step::Failed(DocumentFault::OtherType),
                    error => Step::Later { why: error.to_string(), pause: None },
                })?;
                let key = taken.object.parse().map_err(|_| Step::Failed(DocumentFault::UploadGone))?;
                Ok(ContentAt::Object { key, declared: declared.clone() })
            }
        }
    }

    async fn embed(&mut self, newest: &Revision) -> Result<Step, CommandError<DocumentRefusal>> {
        let (base, model) = match self.model().await? {
            Ok(found) => found,
            Err(step) => return Ok(step),
        };
        let Some((file, _)) = &newest.parsed else { return Ok(Step::Failed(DocumentFault::UploadGone)) };
        let (revision, document, client) = (newest.number, self.document(), self.client());
        // the text is read again rather than kept: it is in memory only while it is used
        let text = match self.deps.reader.read(client, file).await {
            Ok(text) => text,
            Err(ReadError::NotYet(why)) => return Ok(Step::Later { why, pause: None }),
            Err(ReadError::Never(fault)) => return Ok(Step::Failed(fault)),
        };
        let mut entries = match passages(document, revision, text).await {
            Ok(entries) => entries,
            Err(fault) => return Ok(Step::Failed(fault)),
        };
        for batch in entries.chunks_mut(BATCH) {
            let texts: Vec<_> = batch.iter().map(|entry| entry.text.clone()).collect();
            let made =
                self.deps.knowledge.embeddings.embed(client, &model, EmbeddingTask::Document, &texts).await;
            let vectors = match made {
                Ok(vectors) if vectors.len() == batch.len() => vectors,
                Ok(_) => {
                    let why = "the provider gave another number of vectors".to_owned();
                    return Ok(Step::Later { why, pause: None });
                }
                Err(failure) if failure.is_worth_retrying() => {
                    return Ok(Step::Later { why: failure.to_string(), pause: failure.retry_after() });
                }
                Err(failure) => {
                    let error = &failure as &dyn std::error::Error;
                    tracing::warn!(document.id = %document, error, "a document cannot be embedded");
                    return Ok(Step::Failed(DocumentFault::EmbeddingRefused));
                }
            };
            for (entry, vector) in batch.iter_mut().zip(vectors) {
                entry.vector = Some(vector);
            }
        }
        // a content that came meanwhile, or a deletion, must not be overwritten
        self.session.refresh().await?;
        let current = self.session.state().newest().is_some_and(|newest| newest.number == revision);
        if !current {
            return Ok(Step::Done);
        }
        let space = Space::new(client, Collection::KnowledgeBase(base.0));
        let replaced = self.deps.knowledge.index.replace_group(space, &model, document.0, &entries).await;
        if let Err(error) = replaced {
            return Ok(Step::Later { why: error.to_string(), pause: None });
        }
        let now = self.deps.knowledge.runtime.clock.now();
        let step = self.tell(DocumentCommand::Finish { revision, model, now }).await?;
        metrics::counter!(domain::metrics::DOCUMENTS_INGESTED, "outcome" => "ready").increment(1);
        Ok(step)
    }

    /// Removes the files of older contents and of uploads.
    async fn tidy(&self) -> Step {
        super::remove::objects(self.deps, self.client(), self.session.state())
            .await
            .map_or_else(|why| Step::Later { why, pause: None }, |()| Step::Over)
    }
}

/// The passages of a text, without vectors, each with an id that is always the same.
async fn passages(
    document: DocumentId,
    revision: u32,
    text: DocumentText,
) -> Result<Vec<IndexEntry>, DocumentFault> {
    let cut = tokio::task::spawn_blocking(move || {
        let entry = |(n, chunk): (usize, domain::knowledge::chunk::Chunk)| IndexEntry {
            id: ChunkId(derive(document.0, &format!("{revision} {n}"))).0,
            group: document.0,
            text: chunk.rendered(),
            vector: None,
        };
        chunks(&text.blocks, Sizes::default()).into_iter().enumerate().map(entry).collect::<Vec<_>>()
    });
    match cut.await {
        Ok(entries) if entries.is_empty() => Err(DocumentFault::NoText),
        Ok(entries) if entries.len() > MAX_CHUNKS => Err(DocumentFault::TooLong),
        Ok(entries) => Ok(entries),
        Err(_) => Err(DocumentFault::Damaged),
    }
}
