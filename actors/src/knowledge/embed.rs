//! Passages of a document and their vectors: makes them, puts them into the index, and puts back what a new index lacks.

use std::time::Duration;

use domain::call::StoredFile;
use domain::ids::{ChunkId, DocumentId, derive};
use domain::knowledge::chunk::{Sizes, chunks};
use domain::knowledge::{DocumentCommand, DocumentFault, DocumentRefusal, Revision};
use domain::ports::documents::{DocumentText, ReadError};
use domain::ports::embeddings::{EmbeddingFailure, EmbeddingModel, EmbeddingTask};
use domain::ports::llm::LlmFailure;
use domain::ports::vector_index::{Collection, IndexEntry, Space};

use super::ingest::{Ingestion, Step};
use crate::session::CommandError;

/// Texts that are embedded with one request.
const BATCH: usize = 64;
/// Most passages of a document.
const MAX_CHUNKS: usize = 10_000;
/// Longest time that an attempt waits, all pauses together, because the client may embed only so many texts a minute.
const SLOWED: Duration = Duration::from_secs(30 * 60);
/// The same where the provider is sick, and there are vectors to lose.
const SICK: Duration = Duration::from_secs(60);
/// Pause where nobody says how long to wait.
const PAUSE: Duration = Duration::from_secs(5);

/// How long to wait in place, so that the vectors made so far are kept; `None`: the attempt ends.
fn pause_in_place(failure: &EmbeddingFailure, has_vectors: bool, waited: Duration) -> Option<Duration> {
    let is_slowed = matches!(
        failure,
        EmbeddingFailure::Budget(_) | EmbeddingFailure::Provider(LlmFailure::RateLimited { .. })
    );
    let most = match (is_slowed, has_vectors) {
        (true, _) => SLOWED,
        (false, true) => SICK,
        (false, false) => return None,
    };
    let pause = failure.retry_after().unwrap_or(PAUSE).max(Duration::from_millis(100));
    (waited + pause <= most).then_some(pause)
}

impl Ingestion<'_> {
    fn space(&self, base: domain::ids::KnowledgeBaseId) -> Space {
        Space::new(self.client(), Collection::KnowledgeBase(base.0))
    }

    /// The passages of a stored content, which is read again rather than kept: it is in memory only while it is used.
    async fn stored(&self, revision: u32, file: &StoredFile) -> Result<Vec<IndexEntry>, Step> {
        let text = self.deps.reader.read(self.client(), file).await.map_err(|error| match error {
            ReadError::NotYet(why) => Step::Later { why, pause: None },
            ReadError::Never(fault) => Step::Failed(fault),
        })?;
        passages(self.document(), revision, text).await.map_err(Step::Failed)
    }

    /// Gives all entries their vectors. While the rate is limited it waits, unless the document moves on.
    async fn make_vectors(
        &mut self,
        model: &EmbeddingModel,
        entries: &mut [IndexEntry],
    ) -> Result<Result<(), Step>, CommandError<DocumentRefusal>> {
        let (client, knowledge) = (self.client(), self.deps.knowledge.clone());
        let begun_at = self.session.version();
        let mut waited = Duration::ZERO;
        for (n, batch) in entries.chunks_mut(BATCH).enumerate() {
            let texts: Vec<_> = batch.iter().map(|entry| entry.text.clone()).collect();
            let vectors = loop {
                let made = knowledge.embeddings.embed(client, model, EmbeddingTask::Document, &texts).await;
                let failure = match made {
                    Ok(vectors) if vectors.len() == texts.len() => break vectors,
                    Ok(vectors) => EmbeddingFailure::Count { wanted: texts.len(), got: vectors.len() },
                    Err(failure) => failure,
                };
                if !failure.is_worth_retrying() {
                    let error = &failure as &dyn std::error::Error;
                    tracing::warn!(document.id = %self.document(), error, "a document cannot be embedded");
                    return Ok(Err(Step::Failed(DocumentFault::EmbeddingRefused)));
                }
                let Some(pause) = pause_in_place(&failure, n > 0, waited) else {
                    let pause = failure.retry_after();
                    return Ok(Err(Step::Later { why: failure.to_string(), pause }));
                };
                tracing::debug!(document.id = %self.document(), ?pause, "a document waits for its vectors");
                knowledge.runtime.clock.sleep(pause).await;
                waited += pause;
                self.session.refresh().await?;
                if self.session.version() != begun_at {
                    // another content came, or the document was deleted: the next look finds that
                    return Ok(Err(Step::Done));
                }
            };
            for (entry, vector) in batch.iter_mut().zip(vectors) {
                entry.vector = Some(vector);
            }
        }
        Ok(Ok(()))
    }

    /// Embeds the passages of the newest content and puts them in place of those before.
    pub(super) async fn embed(&mut self, newest: &Revision) -> Result<Step, CommandError<DocumentRefusal>> {
        let (base, model) = match self.model().await? {
            Ok(found) => found,
            Err(step) => return Ok(step),
        };
        let Some((file, _)) = &newest.parsed else { return Ok(Step::Failed(DocumentFault::UploadGone)) };
        let (revision, document) = (newest.number, self.document());
        let mut entries = match self.stored(revision, file).await {
            Ok(entries) => entries,
            Err(step) => return Ok(step),
        };
        if let Err(step) = self.make_vectors(&model, &mut entries).await? {
            return Ok(step);
        }
        // a content that came meanwhile, or a deletion, must not be overwritten
        self.session.refresh().await?;
        if self.session.state().newest().is_none_or(|newest| newest.number != revision) {
            return Ok(Step::Done);
        }
        let (space, index) = (self.space(base), self.deps.knowledge.index.clone());
        if let Err(error) = index.replace_group(space, &model, document.0, &entries).await {
            return Ok(Step::Later { why: error.to_string(), pause: None });
        }
        let now = self.deps.knowledge.runtime.clock.now();
        self.tell(DocumentCommand::Finish { revision, model: model.clone(), now }).await?;
        self.session.refresh().await?;
        if self.session.state().ready().is_some_and(|(ready, _)| *ready == revision) {
            metrics::counter!(domain::metrics::DOCUMENTS_INGESTED, "outcome" => "ready").increment(1);
        }
        self.unless_deleted(space, &model).await
    }

    /// Takes the passages back out that were put in while the document was deleted.
    async fn unless_deleted(
        &self,
        space: Space,
        model: &EmbeddingModel,
    ) -> Result<Step, CommandError<DocumentRefusal>> {
        if !self.session.state().is_deleted() {
            return Ok(Step::Done);
        }
        let removed = self.deps.knowledge.index.replace_group(space, model, self.document().0, &[]).await;
        Ok(removed.map_or_else(|error| Step::Later { why: error.to_string(), pause: None }, |()| Step::Over))
    }

    /// Puts the passages that are found back into an index that lacks them: one that was made anew, or is older than the
    /// log. No event tells of it.
    pub(super) async fn refill(&mut self) -> Result<Step, CommandError<DocumentRefusal>> {
        let Some((revision, file)) = self.session.state().ready().cloned() else { return Ok(Step::Done) };
        let (base, model) = match self.model().await? {
            Ok(found) => found,
            Err(step) => return Ok(step),
        };
        let (space, document, index) = (self.space(base), self.document(), self.deps.knowledge.index.clone());
        let later = |error: &dyn std::fmt::Display| Step::Later { why: error.to_string(), pause: None };
        match index.has_group(space, document.0).await {
            Ok(true) => return Ok(Step::Done),
            Ok(false) => {}
            Err(error) => return Ok(later(&error)),
        }
        let mut entries = match self.stored(revision, &file).await {
            Ok(entries) => entries,
            Err(Step::Failed(fault)) => {
                let because = fault.as_str();
                tracing::error!(document.id = %document, because, "the passages of a document are lost: ingest it again");
                return Ok(Step::Done);
            }
            Err(step) => return Ok(step),
        };
        match self.make_vectors(&model, &mut entries).await? {
            Ok(()) => {}
            Err(Step::Failed(_)) => {
                // better found by words than not at all
                tracing::warn!(document.id = %document, "a document is found by its words alone: ingest it again");
            }
            Err(step) => return Ok(step),
        }
        self.session.refresh().await?;
        if self.session.state().ready().is_none_or(|(ready, _)| *ready != revision) {
            return Ok(Step::Done);
        }
        if let Err(error) = index.replace_group(space, &model, document.0, &entries).await {
            return Ok(later(&error));
        }
        metrics::counter!(domain::metrics::DOCUMENTS_INGESTED, "outcome" => "refilled").increment(1);
        self.session.refresh().await?;
        self.unless_deleted(space, &model).await
    }
}

/// The passages of a text, without vectors, each with an id that is always the same.
pub(super) async fn passages(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slowed_document_waits_in_place_and_a_sick_provider_only_where_vectors_would_be_lost() {
        let minute = Duration::from_secs(60);
        let budget = EmbeddingFailure::Budget(minute);
        assert_eq!(pause_in_place(&budget, false, Duration::ZERO), Some(minute));
        assert_eq!(pause_in_place(&budget, true, SLOWED - minute), Some(minute));
        assert_eq!(pause_in_place(&budget, true, SLOWED), None);
        let limited = EmbeddingFailure::Provider(LlmFailure::RateLimited { retry_after: None });
        assert_eq!(pause_in_place(&limited, false, Duration::ZERO), Some(PAUSE));
        let sick = EmbeddingFailure::Count { wanted: 2, got: 1 };
        assert_eq!(pause_in_place(&sick, false, Duration::ZERO), None);
        assert_eq!(pause_in_place(&sick, true, Duration::ZERO), Some(PAUSE));
        assert_eq!(pause_in_place(&sick, true, SICK), None);
    }
}
