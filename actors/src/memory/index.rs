//! Follows the log and keeps the index of memories up to date with it. One node does so at a time, under a lease.
//!
//! How far it has come is kept beside the index: an index that is new is filled from the first event on. Vectors are made
//! by [`super::vectors`] beside it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::aggregate::Aggregate as _;
use domain::envelope::Position;
use domain::ids::{ClientId, MemoryId};
use domain::memory::{Memory, MemoryRefusal};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{ReadError, Subscription};
use domain::ports::lease::Leases;
use domain::ports::outbox::Cause;
use domain::ports::vector_index::IndexEntry;
use tokio_util::sync::CancellationToken;

use super::MemoryService;
use super::learn::space;
use super::vectors::{Changed, fill};
use crate::context::CommandContext;
use crate::outbox::follow::cause_of;
use crate::outbox::{Ownership, while_owner};
use crate::session::{CommandError, Session};

/// Name of the lease.
pub const JOB: &str = "memories";
/// Events read at a time.
const PAGE: usize = 200;
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);
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
            let changed = Changed::default();
            let followed = async {
                loop {
                    let Err(error) = follow(&service, &changed).await;
                    tracing::warn!(error = &error as &dyn std::error::Error, "the index of memories waits");
                    clock.sleep(PAUSE_AFTER_FAULT).await;
                }
            };
            tokio::select! {
                () = lease_lost.cancelled() => {}
                () = followed => {}
                () = fill(&service, &changed) => {}
            }
        }
    })
    .await;
}

/// Follows the log for good.
async fn follow(service: &MemoryService, changed: &Changed) -> Result<std::convert::Infallible, IndexError> {
    let store = &service.runtime.store;
    let (mut at, head) = (service.index.progress(JOB).await?, store.head().await?);
    if at > head {
        // the index is of another history of the log
        at = Position::START;
    }
    // only the names of streams are of use here
    let mut log = Subscription::new(store.for_reader_of(&[]).unwrap_or_else(|| store.clone()), at, PAGE);
    loop {
        let events = log.next().await?;
        let mut memories: BTreeMap<ClientId, BTreeMap<MemoryId, Cause>> = BTreeMap::new();
        for event in events.iter().filter(|event| event.stream.category() == Memory::CATEGORY) {
            let of_client = memories.entry(event.client_id).or_default();
            of_client.insert(MemoryId(event.stream.id()), cause_of(event));
        }
        for (client, memories) in memories {
            let ids: Vec<MemoryId> = memories.keys().copied().collect();
            let (entries, superseding) = service.bring_up_to_date(client, &ids).await?;
            for Superseding { id, old } in superseding {
                let Some(cause) = memories.get(&id) else { continue };
                let context = CommandContext::following("memory", client, cause);
                service.supersede(&context, old, id, service.runtime.clock.now()).await?;
            }
            changed.tell(client, entries);
        }
        if log.position() > at {
            at = log.position();
            service.index.reached(JOB, at).await?;
        }
    }
}

/// A memory that contradicts another one, which holds no more then.
pub(super) struct Superseding {
    id: MemoryId,
    old: MemoryId,
}

impl MemoryService {
    /// Puts what holds into the index, and takes the rest out. Answers what was put, and the memories that contradict
    /// others.
    pub(super) async fn bring_up_to_date(
        &self,
        client: ClientId,
        memories: &[MemoryId],
    ) -> Result<(Vec<IndexEntry>, Vec<Superseding>), CommandError<MemoryRefusal>> {
        let unavailable = |error: StoreUnavailable| CommandError::Unavailable(error.to_string());
        let (mut entries, mut gone, mut superseding) = (Vec::new(), Vec::new(), Vec::new());
        for &id in memories {
            let memory = self.read(id).await?;
            superseding.extend(memory.supersedes().map(|old| Superseding { id, old }));
            match entry(id, &memory) {
                Some(entry) => entries.push(entry),
                None => gone.push(id.0),
            }
        }
        let (space, model) = (space(client), self.embeddings.default_model());
        self.index.remove(space, &gone).await.map_err(unavailable)?;
        // without vectors: what is not there yet is found by its words at once
        self.index.put(space, &model, &entries).await.map_err(unavailable)?;
        // one that was forgotten, or whose customer was erased, while it was put is taken out again: whoever forgot it may
        // have looked for it in the index before
        let mut gone = Vec::new();
        for put in &entries {
            if entry(MemoryId(put.id), &self.read(MemoryId(put.id)).await?).is_none() {
                gone.push(put.id);
            }
        }
        self.index.remove(space, &gone).await.map_err(unavailable)?;
        entries.retain(|entry| !gone.contains(&entry.id));
        Ok((entries, superseding))
    }

    pub(super) async fn read(&self, id: MemoryId) -> Result<Memory, CommandError<MemoryRefusal>> {
        let mut session = Session::<Memory>::new(self.runtime.clone(), id.stream());
        session.ensure_loaded().await?;
        Ok(session.state().clone())
    }
}

/// The memory as it is searched; `None` when it does not hold, or nobody can read it.
fn entry(id: MemoryId, memory: &Memory) -> Option<IndexEntry> {
    let text = memory.active()?.content.reveal()?.clone();
    Some(IndexEntry { id: id.0, group: memory.customer()?.0, text, vector: None })
}
