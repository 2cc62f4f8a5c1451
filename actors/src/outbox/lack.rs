//! Finds what an index lacks that was made anew, or is older than the log: each document that became ready since is looked
//! at again.
//!
//! Passages and vectors stand in the database of the views alone, and no backup has them. An outbox that begins anew orders
//! every content by itself; one that goes on beside a new index would not.

use domain::aggregate::Aggregate as _;
use domain::call::Work;
use domain::envelope::{Position, Recorded};
use domain::ids::derive;
use domain::knowledge::KnowledgeDocument;
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{ReadError, Subscription};
use domain::ports::outbox::{OutboxError, WorkChange};
use tokio::sync::mpsc::Sender;

use super::Owned;
use super::follow::knowledge_effect;
use super::time::JobClock;

/// Name under which the index keeps how far documents were looked at.
const FOLLOWER: &str = "documents";
const BATCH: usize = 1_000;

/// Documents that may be lacking.
pub(super) struct Lack {
    events: Vec<Recorded>,
    /// How far the log was read, once it was read to the end.
    reached: Option<Position>,
}

#[derive(Debug, thiserror::Error)]
enum SearchError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Index(#[from] StoreUnavailable),
}

/// Reads the log from where the index was last looked at up to `to`, where the outbox goes on, and tells `found` of documents.
/// Nothing else waits for it.
pub(super) async fn search(owned: &Owned, to: Position, found: Sender<Lack>) {
    if let Err(error) = read(owned, to, &found).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "it is not known which documents the index lacks: the next start finds out");
    }
}

async fn read(owned: &Owned, to: Position, found: &Sender<Lack>) -> Result<(), SearchError> {
    let Some(knowledge) = &owned.deps.knowledge else { return Ok(()) };
    let from = knowledge.knowledge.index.progress(FOLLOWER).await?;
    if from >= to {
        return Ok(());
    }
    let store = &owned.deps.runtime.store;
    let mut log = Subscription::new(store.for_reader_of(&[]).unwrap_or_else(|| store.clone()), from, BATCH);
    while log.position() < to {
        let mut events = log.next().await?;
        events.retain(|event| {
            event.position <= to
                && event.stream.category() == KnowledgeDocument::CATEGORY
                && matches!(&*event.event_type, "kb_document.ready" | "kb_document.deleted")
        });
        let reached = (log.position() >= to).then_some(to);
        if (!events.is_empty() || reached.is_some()) && found.send(Lack { events, reached }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Orders the documents, beside what the log up to `at` has ordered. What is not lacking costs a question to the index.
pub(super) async fn order(owned: &Owned, at: Position, lack: Lack) -> Result<(), OutboxError> {
    let held = owned.time.hold().await;
    let changes: Vec<WorkChange> = lack.events.iter().map(|event| change(event, &owned.time)).collect();
    if !changes.is_empty() {
        let reached = owned.deps.store.checkpoint().await?;
        owned.deps.store.commit(&owned.lease, at, reached, &changes).await?;
        owned.effects.follow(&changes, at);
        owned.effects_changed.notify_one();
        tracing::info!(documents = changes.len(), "the index is asked for documents that it may lack");
    }
    drop(held);
    if let (Some(reached), Some(knowledge)) = (lack.reached, &owned.deps.knowledge)
        && let Err(error) = knowledge.knowledge.index.reached(FOLLOWER, reached).await
    {
        tracing::warn!(%error, "the index is asked for the same documents after the next start");
    }
    Ok(())
}

fn change(event: &Recorded, time: &JobClock) -> WorkChange {
    let effect_id = derive(event.stream.id(), "refill");
    match &*event.event_type {
        "kb_document.ready" => knowledge_effect(event, time, Work::IngestDocument, effect_id),
        _ => WorkChange::Done(effect_id),
    }
}
