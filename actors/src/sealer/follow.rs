//! Turns committed events into signed heads, stores and keeps each head, and at intervals writes one
//! into the log itself.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use domain::envelope::{Metadata, NewEvent, Position, Recorded};
use domain::history::{LogAnchored, LogEvent};
use domain::ids::LogId;
use domain::merkle::{Entry, KeptHead, NoteSigner, TileEdge, leaf_hash};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{Expected, ReadError};
use domain::ports::head_keeper::KeepError;
use domain::ports::seals::Head;
use domain::wire::DomainEvent as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::health::FaultSite;
use super::sealed_log::{Standing, Unsound};
use super::tell::Notes;
use super::{SealOptions, SealerDeps, meter};

/// Events read at a time. Hashing them must not block a thread for much longer than a millisecond.
const PAGE: usize = 512;
/// Most events between two heads while catching up; bounds memory.
const MOST: u64 = 1 << 16;
/// Pause between two reads of a log that is being written: one read then takes the events of many commits.
const BREATH: Duration = Duration::from_millis(40);
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(2);
/// Failures in a row after which an unavailable store is reported as a fault of history.
const PATIENCE: u32 = 5;

/// Why sealing came to a stop.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Unsound(#[from] Unsound),
}

impl SealError {
    fn is_fault(&self) -> bool {
        match self {
            Self::Unsound(error) => error.is_fault(),
            Self::Keep(error) => !matches!(error, KeepError::Unavailable(_)),
            Self::Read(ReadError::Damaged { .. }) => true,
            Self::Read(_) | Self::Store(_) => false,
        }
    }
}

/// Seals until the lease is lost. A fault is reported, and sealing is tried again.
pub(super) async fn follow(
    deps: &SealerDeps,
    options: SealOptions,
    notes: &Notes,
    lease_lost: &CancellationToken,
) {
    let mut failures = 0;
    while !lease_lost.is_cancelled() {
        let error = tokio::select! {
            () = lease_lost.cancelled() => return,
            Err(error) = keep_sealing(deps, options, notes, &mut failures) => error,
        };
        failures += 1;
        tracing::error!(error = &error as &dyn std::error::Error, "history is not being sealed");
        if error.is_fault() || failures >= PATIENCE {
            deps.health.found(FaultSite::Sealing, Some(&error));
        }
        let clock = &deps.runtime.clock;
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = clock.sleep(PAUSE_AFTER_FAULT) => {}
        }
    }
}

async fn keep_sealing(
    deps: &SealerDeps,
    options: SealOptions,
    notes: &Notes,
    failures: &mut u32,
) -> Result<Infallible, SealError> {
    let (clock, log) = (&deps.runtime.clock, &deps.sealed.log);
    let mut tree = loop {
        match Tree::take_up(deps).await? {
            Some(tree) => break tree,
            None => log.wait_past(Position::START).await,
        }
    };
    if let Some(head) = &tree.head {
        // the node that signed the head may have died before it published it
        notes.send(&head.note);
        let newest = tree.kept(head);
        deps.sealed.keeper.keep(&newest).await?;
        tree.kept_upto = newest.size;
    }
    let mut anchored = clock.monotonic();
    loop {
        let after = Position(tree.edge.size());
        let events = log.read_all(after, PAGE).await?;
        tree.add(&events)?;
        if tree.must_come_to.is_none() {
            *failures = 0;
            deps.health.found(FaultSite::Sealing, None);
        }
        let pending = tree.edge.size() - tree.sealed;
        let now = clock.monotonic();
        let passed = tree.last.map(|last| now.saturating_duration_since(last));
        let left = passed.map_or(Duration::ZERO, |passed| options.every.saturating_sub(passed));
        let since = now.saturating_duration_since(anchored);
        if pending > 0 && (left.is_zero() || pending >= MOST) {
            notes.send(&tree.seal(deps).await?.note);
        } else if events.len() == PAGE {
            tokio::task::yield_now().await;
        } else if pending > 0 {
            clock.sleep(left.min(BREATH)).await;
        } else if since >= options.anchor_every {
            anchored = now;
            tree.anchor(deps).await;
        } else {
            tokio::select! {
                () = log.wait_past(after) => {}
                () = clock.sleep(options.anchor_every.saturating_sub(since)) => {}
            }
        }
    }
}

/// Seals the events up to now, and writes the head into the log: the last step before a node stops.
pub(super) async fn seal_rest(deps: &SealerDeps) -> Result<(), SealError> {
    let Some(mut tree) = Tree::take_up(deps).await? else { return Ok(()) };
    tree.catch_up(deps).await?;
    if tree.anchor(deps).await {
        tree.catch_up(deps).await?;
    }
    if let Some(head) = &tree.head {
        deps.sealed.keeper.keep(&tree.kept(head)).await?;
        let told = deps.witnesses.iter().map(|witness| witness.tell(&head.note));
        for (witness, told) in deps.witnesses.iter().zip(futures::future::join_all(told).await) {
            meter::told(witness.name(), if told.is_ok() { "told" } else { "failed" });
        }
    }
    Ok(())
}

struct Tree {
    log: Uuid,
    signer: NoteSigner,
    edge: TileEdge,
    /// The newest stored head; `None` before the first one.
    head: Option<Head>,
    /// Events that the newest head covers.
    sealed: u64,
    /// Events covered by the head in the key store, as far as this run knows.
    kept_upto: u64,
    /// When the newest head was signed; `None` before the first one of this run.
    last: Option<Instant>,
    /// The head kept in the key store, when stored heads are missing: the rebuilt tree must reach it
    /// before anything is signed.
    must_come_to: Option<KeptHead>,
    /// Whether there are events that no head in the log covers, other than such heads themselves.
    unanchored: bool,
    entry: Vec<u8>,
}

impl Tree {
    /// Loads the stored tree; `None` while the log is empty.
    async fn take_up(deps: &SealerDeps) -> Result<Option<Self>, SealError> {
        let Standing { log, edge, head, kept } = deps.sealed.standing(deps.runtime.clock.now()).await?;
        let Some(log) = log else {
            deps.sealed.keeper.keep(&KeptHead::NOTHING).await?;
            return Ok(None);
        };
        deps.sealed.keys_must_be_current(kept).await?;
        let size = edge.size();
        let newest = deps.sealed.table.rows(Position(size.saturating_sub(1)), Position(size), 1).await?.pop();
        let unanchored = newest.and_then(Result::ok).is_some_and(|event| !is_anchor(&event));
        Ok(Some(Self {
            log,
            signer: deps.sealed.signer(log),
            sealed: size,
            kept_upto: kept.map_or(0, |kept| kept.size),
            edge,
            head,
            last: None,
            must_come_to: kept.filter(|kept| kept.size > size),
            unanchored,
            entry: Vec::new(),
        }))
    }

    fn kept(&self, head: &Head) -> KeptHead {
        KeptHead { log: self.log, size: head.size, root: head.root }
    }

    fn add(&mut self, events: &[Recorded]) -> Result<(), SealError> {
        for event in events {
            let expected = Position(self.edge.size() + 1);
            if event.position != expected {
                let detail = format!("{} comes where {expected} should", event.position);
                return Err(ReadError::Damaged { position: expected, detail }.into());
            }
            self.entry.clear();
            Entry::of(self.log, event).write(&mut self.entry);
            self.edge.push(leaf_hash(&self.entry));
            self.unanchored |= !is_anchor(event);
            if let Some(kept) = self.must_come_to.take_if(|kept| kept.size == event.position.0)
                && kept.root != self.edge.root()
            {
                return Err(Unsound::Changed { from: 1, to: kept.size }.into());
            }
        }
        Ok(())
    }

    /// Signs a head over the events so far, stores it with the changed tiles, and keeps it in the key store.
    async fn seal(&mut self, deps: &SealerDeps) -> Result<&Head, SealError> {
        let began = Instant::now();
        let (size, root, sealed_at) = (self.edge.size(), self.edge.root(), deps.runtime.clock.now());
        let head = Head { size, root, note: self.signer.sign(size, root), sealed_at };
        // on failure the tree is loaded again as it is stored, so no change is lost
        deps.sealed.seals.append(&self.edge.take_changed(), &head).await?;
        if self.must_come_to.is_none() {
            let kept = deps.sealed.keeper.kept().await?.map_or(0, |kept| kept.size);
            if kept < self.kept_upto {
                return Err(Unsound::KeysOlder { kept, sealed: size }.into());
            }
            deps.sealed.keeper.keep(&self.kept(&head)).await?;
            self.kept_upto = size;
        }
        (self.sealed, self.last) = (size, Some(deps.runtime.clock.monotonic()));
        deps.health.saw(size, root);
        meter::sealed(size, began.elapsed());
        Ok(self.head.insert(head))
    }

    /// Adds and seals all events up to the present end of the log.
    async fn catch_up(&mut self, deps: &SealerDeps) -> Result<(), SealError> {
        let head = deps.sealed.log.head().await?;
        while self.edge.size() < head.0 {
            let events = deps.sealed.log.read_all(Position(self.edge.size()), PAGE).await?;
            if events.is_empty() {
                break;
            }
            self.add(&events)?;
            if self.edge.size() - self.sealed >= MOST {
                self.seal(deps).await?;
            }
        }
        if self.edge.size() > self.sealed {
            self.seal(deps).await?;
        }
        Ok(())
    }

    /// Writes the newest head into the log, unless no event has come since the last one there. Answers whether it did.
    async fn anchor(&mut self, deps: &SealerDeps) -> bool {
        let Some(head) = self.head.as_ref().filter(|_| self.unanchored) else { return false };
        let runtime = &deps.runtime;
        let now = runtime.clock.now();
        let anchored = LogEvent::from(LogAnchored {
            size: head.size,
            root: head.root,
            note: head.note.clone(),
            at: now,
        });
        let mut metadata = Metadata::system("sealer", runtime.ids.next());
        metadata.node = Some(runtime.node.to_string());
        let event = NewEvent {
            id: runtime.ids.next(),
            event_type: anchored.event_type().to_owned(),
            schema: anchored.schema(),
            client_id: deps.operator,
            payload: anchored.encode(),
            metadata,
            recorded_at: now,
        };
        match deps.sealed.log.append(&LogId(self.log).stream(), Expected::Any, vec![event]).await {
            Ok(_) => {
                self.unanchored = false;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the newest head is not written into the log; it will be next time");
                false
            }
        }
    }
}

fn is_anchor(event: &Recorded) -> bool {
    event.event_type == "log.anchored"
}
