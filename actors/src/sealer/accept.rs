//! Acceptance by an operator of a log that is not what was sealed: a new Merkle tree begins, and an event in
//! the log records it.

use std::sync::Arc;

use domain::envelope::{Metadata, NewEvent, Position, Time};
use domain::history::{LogAccepted, LogEvent};
use domain::ids::{ClientId, LogId};
use domain::merkle::{EMPTY_ROOT, Entry, Frontier, Hash, KeptHead, TileEdge, leaf_hash};
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::event_store::{AppendError, Expected, ReadError};
use domain::ports::head_keeper::KeepError;
use domain::ports::ids::Ids;
use domain::ports::seals::Head;
use domain::wire::DomainEvent as _;
use uuid::Uuid;

use super::sealed_log::{SealedLog, Unsound, readable};

/// Events read at a time.
const PAGE: usize = 512;
/// Most events between two heads of the new tree; bounds memory.
const MOST: u64 = 1 << 16;

/// Why a log was not accepted. Nothing was changed, unless a variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The log cannot be read, has gaps, or has rows that cannot be decoded.
    #[error("the log cannot be accepted as it is")]
    Read(#[from] ReadError),
    #[error("the seals cannot be used")]
    Store(#[from] StoreUnavailable),
    /// The key store cannot read or keep the head.
    #[error("the key store cannot be used")]
    Keep(#[from] KeepError),
    /// The event `log.accepted` cannot be appended.
    #[error("the log cannot be written")]
    Append(#[from] AppendError),
    /// The stores cannot be compared, so it is not known whether the log needs to be accepted.
    #[error("the stores cannot be compared")]
    Compare(#[source] Unsound),
    /// The log is what was sealed: there is nothing to accept.
    #[error("the log is what was sealed: there is nothing to accept")]
    Sound,
    /// The sizes that the operator named are not those found.
    #[error("the log has {size} events, and {sealed} were sealed; you named {named} and {named_sealed}")]
    Sizes {
        /// Events in the log.
        size: u64,
        /// Events that were sealed.
        sealed: u64,
        /// Log size that the operator named.
        named: u64,
        /// Sealed size that the operator named.
        named_sealed: u64,
    },
}

/// How the log and its seals disagree.
#[derive(Debug)]
pub struct Disagreement {
    /// Events in the log now.
    pub size: u64,
    /// Events covered by the largest head that is stored or kept.
    pub sealed: u64,
    /// What does not agree; `None` when everything agrees.
    pub fault: Option<Unsound>,
    root: Option<Hash>,
    note: Option<String>,
}

/// Who accepts the log, and the clock and ids for its event.
#[derive(Debug, Clone)]
pub struct Accepting {
    /// Client of the node's operator: the event is appended in its name.
    pub operator: ClientId,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

impl SealedLog {
    /// Compares the stores: what does not agree, and the sizes an operator must name to accept it. Fails when a
    /// store cannot be read.
    pub async fn disagreement(&self, now: Time) -> Result<Disagreement, AcceptError> {
        let kept = match self.keeper.kept().await {
            Ok(kept) => kept,
            Err(KeepError::Unavailable(error)) => return Err(error.into()),
            Err(_) => None,
        };
        let stored = self.seals.latest().await?;
        let size = self.log.head().await?.0;
        let fault = match self.standing(now).await {
            Ok(_) => None,
            Err(error) if error.is_fault() => Some(error),
            Err(error) => return Err(AcceptError::Compare(error)),
        };
        let kept_size = kept.map_or(0, |kept| kept.size);
        let stored_size = stored.as_ref().map_or(0, |head| head.size);
        let root = if kept_size > stored_size {
            kept.map(|kept| kept.root)
        } else {
            stored.as_ref().map(|head| head.root)
        };
        let note = stored.map(|head| head.note);
        Ok(Disagreement { size, sealed: kept_size.max(stored_size), fault, root, note })
    }

    /// Accepts the log as it is: appends `log.accepted`, moves the old tree aside and builds a new one. The operator
    /// must name both sizes (log, sealed), so that only what was looked at is accepted. Answers the new head.
    ///
    /// When this fails half-way the stores still disagree, and it can be repeated.
    pub async fn accept(&self, named: (u64, u64), by: &Accepting) -> Result<Head, AcceptError> {
        let found = self.disagreement(by.clock.now()).await?;
        if found.fault.is_none() {
            return Err(AcceptError::Sound);
        }
        if named != (found.size, found.sealed) {
            let (size, sealed) = (found.size, found.sealed);
            return Err(AcceptError::Sizes { size, sealed, named: named.0, named_sealed: named.1 });
        }
        let event_id = by.ids.next();
        // an empty log begins with this event, whose id becomes the log's id
        let log = self.id().await?.unwrap_or(event_id);
        let root = self.root_over(log, found.size).await?;
        let now = by.clock.now();
        let accepted = LogEvent::from(LogAccepted {
            size: found.size,
            root,
            note: self.signer(log).sign(found.size, root),
            superseded_size: found.sealed,
            superseded_root: found.root,
            superseded_note: found.note,
            at: now,
        });
        let event = NewEvent {
            id: event_id,
            event_type: accepted.event_type().to_owned(),
            schema: accepted.schema(),
            client_id: by.operator,
            payload: accepted.encode(),
            metadata: Metadata::system("audit accept-log", by.ids.next()),
            recorded_at: now,
        };
        let appended = self.log.append(&LogId(log).stream(), Expected::Any, vec![event]).await?;
        self.seals.set_aside(by.clock.now()).await?;
        self.plant(log, appended.last_position.0, by).await
    }

    async fn root_over(&self, log: Uuid, size: u64) -> Result<Hash, AcceptError> {
        if size == 0 {
            return Ok(EMPTY_ROOT);
        }
        let mut tree = Frontier::default();
        self.each_leaf(log, size, async |leaf| {
            tree.push(leaf);
            Ok(())
        })
        .await?;
        Ok(tree.root())
    }

    /// Builds a tree over the first `size` events, and signs and keeps its head.
    async fn plant(&self, log: Uuid, size: u64, by: &Accepting) -> Result<Head, AcceptError> {
        let (signer, mut edge) = (self.signer(log), TileEdge::default());
        let sign = |edge: &TileEdge| {
            let (size, root) = (edge.size(), edge.root());
            Head { size, root, note: signer.sign(size, root), sealed_at: by.clock.now() }
        };
        self.each_leaf(log, size, async |leaf| {
            edge.push(leaf);
            if edge.size().is_multiple_of(MOST) {
                let head = sign(&edge);
                self.seals.append(&edge.take_changed(), &head).await?;
            }
            Ok(())
        })
        .await?;
        let head = sign(&edge);
        self.seals.append(&edge.take_changed(), &head).await?;
        self.keeper.keep_instead(&KeptHead { log, size: head.size, root: head.root }).await?;
        Ok(head)
    }

    async fn each_leaf(
        &self,
        log: Uuid,
        size: u64,
        mut take: impl AsyncFnMut(Hash) -> Result<(), AcceptError>,
    ) -> Result<(), AcceptError> {
        let (mut at, mut entry) = (0, Vec::new());
        while at < size {
            let rows = self.table.rows(Position(at), Position(size), PAGE).await?;
            if rows.is_empty() {
                return Err(hole(at + 1));
            }
            for row in rows {
                let event = readable(row)?;
                at += 1;
                if event.position.0 != at {
                    return Err(hole(at));
                }
                entry.clear();
                Entry::of(log, &event).write(&mut entry);
                take(leaf_hash(&entry)).await?;
            }
        }
        Ok(())
    }
}

fn hole(at: u64) -> AcceptError {
    let detail = "there is no such event; restore the log from a backup".to_owned();
    AcceptError::Read(ReadError::Damaged { position: Position(at), detail })
}
