//! Follows the log and keeps the index of memories up to date with it. One node does so at a time, under a lease.
//!
//! How far it has come is kept beside the index, for each model: an index that is new, or a model that is new, is filled
//! from the first event on, beside the vectors in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::aggregate::Aggregate as _;
use domain::envelope::Position;
use domain::ids::{ClientId, MemoryId};
use domain::memory::{Memory, MemoryRefusal};
use domain::ports::StoreUnavailable;
use domain::ports::embeddings::EmbeddingTask;
use domain::ports::event_store::{ReadError, Subscription};
use domain::ports::lease::Leases;
use domain::ports::vector_index::IndexEntry;
use tokio_util::sync::CancellationToken;

use super::MemoryService;
use super::learn::space;
use crate::outbox::{Ownership, while_owner};
use crate::session::{CommandError, Session};

/// Name of the lease.
pub const JOB: &str = "memories";
/// Events read at a time.
const PAGE: usize = 200;
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);
/// Longest pause after a provider of embeddings failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const LEASE_TTL: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum IndexError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    #[error(transparent)]
    Memory(#[from] CommandError<MemoryRefusal>),
}

/// Keeps the index up to date until `stop`, whenever this node holds the lease.
pub async fn run(service: MemoryService, leases: Arc<dyn Leases>, stop: CancellationToken) {
    let ownership = Ownership {
        leases,
        clock: service.runtime.clock.clone(),
        owner: service.runtime.node.clone(),
        ttl: LEASE_TTL,
    };
    while_owner(&ownership, JOB, &stop, |_, lease_lost| {
        let service = service.clone();
        async move {
            let clock = service.runtime.clock.clone();
            while !lease_lost.is_cancelled() {
                let Some(Err(error)) = lease_lost.run_until_cancelled(follow(&service)).await else { return };
                tracing::warn!(error = &error as &dyn std::error::Error, "the index of memories waits");
                tokio::select! {
                    () = lease_lost.cancelled() => {}
                    () = clock.sleep(PAUSE_AFTER_FAULT) => {}
                }
            }
        }
    })
    .await;
}

/// Follows the log for good.
async fn follow(service: &MemoryService) -> Result<std::convert::Infallible, IndexError> {
    let store = &service.runtime.store;
    let model = service.embeddings.default_model();
    let name = format!("{JOB} {model}");
    let (mut at, head) = (service.index.progress(&name).await?, store.head().await?);
    if at > head {
        // the index is of another history of the log
        at = Position::START;
    }
    let mut begun = (at == Position::START).then(BTreeSet::new);
    // only the names of streams are of use here
    let mut log = Subscription::new(store.for_reader_of(&[]).unwrap_or_else(|| store.clone()), at, PAGE);
    loop {
        if log.position() >= head
            && let Some(clients) = begun.take()
        {
            for client in clients {
                service.index.keep_only(space(client), &model).await?;
            }
        }
        let events = log.next().await?;
        let mut changed: BTreeMap<ClientId, BTreeSet<MemoryId>> = BTreeMap::new();
        for event in events.iter().filter(|event| event.stream.category() == Memory::CATEGORY) {
            changed.entry(event.client_id).or_default().insert(MemoryId(event.stream.id()));
        }
        for (client, memories) in changed {
            if let Some(begun) = &mut begun {
                begun.insert(client);
            }
            take(service, client, &memories).await?;
        }
        if log.position() > at {
            at = log.position();
            service.index.reached(&name, at).await?;
        }
    }
}

/// Puts what holds into the index, and takes the rest out.
async fn take(
    service: &MemoryService,
    client: ClientId,
    memories: &BTreeSet<MemoryId>,
) -> Result<(), IndexError> {
    let (mut entries, mut gone) = (Vec::new(), Vec::new());
    for id in memories {
        let mut session = Session::<Memory>::new(service.runtime.clone(), id.stream());
        session.ensure_loaded().await?;
        let memory = session.state();
        let text = memory.active().and_then(|terms| terms.content.reveal().cloned());
        match text.zip(memory.customer()) {
            Some((text, customer)) => {
                entries.push(IndexEntry { id: id.0, group: customer.0, text, vector: None });
            }
            None => gone.push(id.0),
        }
    }
    service.index.remove(space(client), &gone).await?;
    let model = service.embeddings.default_model();
    // found by their words at once, whatever becomes of their vectors
    service.index.put(space(client), &model, &entries).await?;
    let mut pause = PAUSE_AFTER_FAULT;
    while !entries.is_empty() {
        let texts: Vec<String> = entries.iter().map(|entry| entry.text.clone()).collect();
        match service.embeddings.embed(client, &model, EmbeddingTask::Document, &texts).await {
            Ok(vectors) => {
                let with = std::mem::take(&mut entries).into_iter().zip(vectors);
                let with: Vec<_> =
                    with.map(|(entry, vector)| IndexEntry { vector: Some(vector), ..entry }).collect();
                service.index.put(space(client), &model, &with).await?;
            }
            Err(failure) if failure.is_worth_retrying() => {
                let wait = failure.retry_after().unwrap_or(pause).min(LONGEST_PAUSE);
                tracing::warn!(error = &failure as &dyn std::error::Error, "memories wait for their vectors");
                service.runtime.clock.sleep(wait).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(failure) => {
                let error = &failure as &dyn std::error::Error;
                tracing::error!(error, "memories are found by their words alone");
                break;
            }
        }
    }
    Ok(())
}
