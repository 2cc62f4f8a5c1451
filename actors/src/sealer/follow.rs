//! From committed events to a signed head.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use domain::envelope::{Position, Recorded, Time};
use domain::merkle::{Entry, NoteSigner, TileEdge, leaf_hash, log_id, origin};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::ReadError;
use domain::ports::seals::Head;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::tell::Notes;
use super::tree::{Damaged, restore};
use super::{SealBench, SealOptions, meter};

/// Events read at a time: hashing them must not keep a thread from others for more than about a millisecond.
const PAGE: usize = 512;
/// While catching up, a head is written each so many events, whatever the time: memory is bounded.
const MOST: u64 = 1 << 16;
/// Between two looks at a log that is being written: one look takes what many commits brought.
const BREATH: Duration = Duration::from_millis(40);
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(2);

/// Why sealing stopped.
#[derive(Debug, thiserror::Error)]
enum SealError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("the stored tree covers {size} events, but the log has {head}: events are missing")]
    Shrunk { size: u64, head: Position },
}

/// Seals until the job is lost. A fault is reported and tried again.
pub(super) async fn follow(bench: &SealBench, options: SealOptions, notes: &Notes, mine: &CancellationToken) {
    while !mine.is_cancelled() {
        let error = tokio::select! {
            () = mine.cancelled() => return,
            Err(error) = keep_sealing(bench, options, notes) => error,
        };
        tracing::error!(error = &error as &dyn std::error::Error, "history is not being sealed");
        let clock = &bench.runtime.clock;
        tokio::select! {
            () = mine.cancelled() => {}
            () = clock.sleep_until(clock.now() + PAUSE_AFTER_FAULT) => {}
        }
    }
}

async fn keep_sealing(
    bench: &SealBench,
    options: SealOptions,
    notes: &Notes,
) -> Result<Infallible, SealError> {
    let log = log_of(bench).await?;
    let signer = NoteSigner::new(origin(log), &bench.secret);
    let (edge, head) = restore(&*bench.store, &signer.verifier()).await?;
    let newest = bench.runtime.store.head().await?;
    if edge.size() > newest.0 {
        return Err(SealError::Shrunk { size: edge.size(), head: newest });
    }
    if let Some(head) = &head {
        // whoever signed it may have died before anybody heard of it
        notes.send(&head.note);
    }
    let (clock, log_store) = (&bench.runtime.clock, &bench.runtime.store);
    let mut tree = Tree { log, signer, sealed: edge.size(), edge, last: Time::UNIX_EPOCH, entry: Vec::new() };
    loop {
        let after = Position(tree.edge.size());
        let events = log_store.read_all(after, PAGE).await?;
        tree.add(&events)?;
        let pending = tree.edge.size() - tree.sealed;
        let due = tree.last + options.every;
        if pending > 0 && (clock.now() >= due || pending >= MOST) {
            notes.send(&tree.seal(bench).await?.note);
        } else if events.len() == PAGE {
            tokio::task::yield_now().await;
        } else if pending > 0 {
            clock.sleep_until(due.min(clock.now() + BREATH)).await;
        } else {
            log_store.wait_past(after).await;
        }
    }
}

/// The id of the log; waits for its first event.
async fn log_of(bench: &SealBench) -> Result<Uuid, ReadError> {
    let log = &bench.runtime.store;
    loop {
        match log.read_all(Position::START, 1).await?.first() {
            Some(first) => return Ok(log_id(first)),
            None => log.wait_past(Position::START).await,
        }
    }
}

struct Tree {
    log: Uuid,
    signer: NoteSigner,
    edge: TileEdge,
    /// Covered by the newest head.
    sealed: u64,
    /// When that was signed.
    last: Time,
    entry: Vec<u8>,
}

impl Tree {
    fn add(&mut self, events: &[Recorded]) -> Result<(), ReadError> {
        for event in events {
            let expected = Position(self.edge.size() + 1);
            if event.position != expected {
                let detail = format!("{} comes where {expected} should", event.position);
                return Err(ReadError::Damaged { position: expected, detail });
            }
            self.entry.clear();
            Entry::of(self.log, event).write(&mut self.entry);
            self.edge.push(leaf_hash(&self.entry));
        }
        Ok(())
    }

    /// Signs the head as it is, and stores it with the tiles that changed.
    async fn seal(&mut self, bench: &SealBench) -> Result<Head, StoreUnavailable> {
        let began = Instant::now();
        let (size, root, sealed_at) = (self.edge.size(), self.edge.root(), bench.runtime.clock.now());
        let head = Head { size, root, note: self.signer.sign(size, root), sealed_at };
        // when this fails the tree is read again as it is stored: what changed is not lost
        bench.store.append(&self.edge.take_changed(), &head).await?;
        (self.sealed, self.last) = (size, sealed_at);
        meter::sealed(size, began.elapsed());
        Ok(head)
    }
}
