//! Reads, cuts and embeds the newest content of a document, step by step: each step is in the log before the next one
//! begins, so another node goes on where this one stopped.

use std::time::Duration;

use chrono::TimeDelta;
use domain::call::StoredFile;
use domain::envelope::{Position, Time};
use domain::ids::{ClientId, DocumentId, KnowledgeBaseId, derive};
use domain::knowledge::{
    DocumentCommand, DocumentFault, DocumentRefusal, DocumentSource, DocumentStatus, KnowledgeDocument,
    Revision, most_passages,
};
use domain::origin::Origin;
use domain::ports::documents::{ContentAt, ContentOrder, ReadError, WebAddress};
use domain::ports::embeddings::EmbeddingModel;
use domain::ports::outbox::OutboxItem;
use domain::upload::UploadRefusal;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::embed::passages;
use super::places::pause;
use super::{KnowledgeDeps, remove};
use crate::context::CommandContext;
use crate::outbox::{NextStep, long_pause};
use crate::session::{CommandError, Session};
use crate::uploads::UploadError;

/// How long a server or a provider may be away, from the first attempt on: however long a content waited for a place.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);

/// What came of a step.
pub(super) enum Step {
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

pub(super) struct Ingestion<'a> {
    pub(super) deps: &'a KnowledgeDeps,
    item: &'a OutboxItem,
    pub(super) session: Session<KnowledgeDocument>,
}

/// Names the object of a content: a node that reads it again, because another died over it, leaves no second one.
pub(super) fn attempt(document: DocumentId, revision: u32) -> Uuid {
    derive(document.0, &format!("content {revision}"))
}

/// Brings the document's newest content as far as possible.
pub(crate) async fn ingest(
    deps: &KnowledgeDeps,
    item: &OutboxItem,
    lease_lost: &CancellationToken,
) -> Result<NextStep, CommandError<DocumentRefusal>> {
    let (places, runtime) = (&deps.places, &deps.knowledge.runtime);
    let tried = places.tried(item.effect_id).map_or(0, |tried| tried.times);
    let Some(_place) = places.take(item.subject, item.client, runtime.clock.monotonic()) else {
        // what it asked for in vain is no attempt of the work
        let asked = item.attempts.saturating_sub(tried).saturating_add(1);
        return Ok(NextStep::postpone(pause(asked, item.effect_id), &"other documents are being read"));
    };
    places.count(item.effect_id, runtime.clock.now());
    let document = DocumentId(item.subject);
    let session = Session::new(runtime.clone(), document.stream());
    let mut ingestion = Ingestion { deps, item, session };
    // a node that stops does not wait for a document: the next one goes on
    let ended = lease_lost.run_until_cancelled(ingestion.steps()).await;
    if let Some(Ok(NextStep::Finish { .. })) = &ended {
        places.forget(item.effect_id);
    }
    ended.unwrap_or_else(|| Ok(NextStep::postpone(Duration::from_secs(1), &"the node stops")))
}

impl Ingestion<'_> {
    pub(super) fn document(&self) -> DocumentId {
        DocumentId(self.item.subject)
    }

    pub(super) fn client(&self) -> ClientId {
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
                // an index that is new lacks what is found, also while a newer content failed
                DocumentStatus::Ready | DocumentStatus::Failed => match self.refill().await? {
                    Step::Done => self.tidy().await,
                    other => other,
                },
            };
            let number = newest.number;
            match step {
                Step::Done => {}
                Step::Over => return Ok(NextStep::NOTHING_TO_DO),
                Step::Failed(because) => self.fail(number, because).await?,
                Step::Later { why, pause } => {
                    let tried = self.deps.places.tried(self.item.effect_id);
                    if !newest.status.is_under_way()
                        || self.is_patient(tried.map(|tried| tried.since)).await?
                    {
                        let times = tried.map_or(1, |tried| tried.times);
                        let pause = pause.unwrap_or_else(|| long_pause(times, self.item.effect_id));
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

    /// Whether what is away may still be waited for, since the first attempt that this node knows of.
    async fn is_patient(&self, first: Option<Time>) -> Result<bool, CommandError<DocumentRefusal>> {
        let runtime = &self.deps.knowledge.runtime;
        let now = runtime.clock.now();
        if first.is_some_and(|first| now < first + PATIENCE) {
            return Ok(true);
        }
        let before = Position(self.item.position.0.saturating_sub(1));
        let asked = runtime.store.read_all(before, 1).await?;
        Ok(asked.first().is_some_and(|asked| now < asked.recorded_at + PATIENCE))
    }

    pub(super) async fn tell(
        &mut self,
        command: DocumentCommand,
    ) -> Result<Step, CommandError<DocumentRefusal>> {
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
    pub(super) async fn model(
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
        let (base, model) = match self.model().await? {
            Ok(found) => found,
            Err(step) => return Ok(step),
        };
        let (revision, clock) = (newest.number, self.deps.knowledge.runtime.clock.clone());
        if newest.status == DocumentStatus::Queued {
            return self.tell(DocumentCommand::StartParsing { revision, now: clock.now() }).await;
        }
        let content = match self.content(newest).await {
            Ok(content) => content,
            Err(step) => return Ok(step),
        };
        let (client, document) = (self.client(), self.document());
        let began = clock.monotonic();
        let order = ContentOrder { client, document, attempt: attempt(document, revision), content };
        let (file, text) = match self.deps.reader.take(&order).await {
            Ok(taken) => taken,
            Err(ReadError::NotYet(why)) => return Ok(Step::Later { why, pause: None }),
            Err(ReadError::Never(fault)) => return Ok(Step::Failed(fault)),
        };
        metrics::histogram!(domain::metrics::DOCUMENT_READ_SECONDS)
            .record(clock.monotonic().saturating_duration_since(began).as_secs_f64());
        let pages = text.pages;
        let counted = passages(document, revision, text).await.map(|entries| entries.len() as u32);
        let count = match counted {
            Ok(count) => count,
            Err(fault) => {
                self.discard(&file).await;
                return Ok(Step::Failed(fault));
            }
        };
        match self.deps.knowledge.catalogue.passages_beside(client, base, document).await {
            Ok(others) if others.saturating_add(u64::from(count)) > most_passages(&model) => {
                self.discard(&file).await;
                return Ok(Step::Failed(DocumentFault::BaseFull));
            }
            Ok(_) => {}
            Err(error) => {
                self.discard(&file).await;
                return Ok(Step::Later { why: error.to_string(), pause: None });
            }
        }
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

    /// Removes the files of older contents and of uploads.
    async fn tidy(&self) -> Step {
        remove::objects(self.deps, self.client(), self.document(), self.session.state())
            .await
            .map_or_else(|why| Step::Later { why, pause: None }, |()| Step::Over)
    }
}
