//! The log and everything that must agree with it: its stored tree, the head in the key store, the signing key.

use std::fmt;
use std::sync::Arc;

use domain::envelope::{Position, Recorded, Time};
use domain::merkle::{
    Entry, Frontier, Hash, KeptHead, Node, NoteSigner, NoteVerifier, TileEdge, leaf_hash, log_id, origin,
    subtrees,
};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{EventStore, LogTable, ReadError, Unreadable};
use domain::ports::head_keeper::{HeadKeeper, KeepError};
use domain::ports::seals::{Head, SealStore};
use uuid::Uuid;

use super::prove::{ProveError, Prover};
use super::tree::{Damaged, restore};

/// Events read at a time.
const PAGE: usize = 512;
/// Newest events that are compared with the tree whenever it is loaded.
const NEWEST: u64 = 256;

/// The stores of the sealed history. `Debug` hides the key.
#[derive(Clone)]
pub struct SealedLog {
    /// The log, through the event store.
    pub log: Arc<dyn EventStore>,
    /// The rows of the log as they lie on disk.
    pub table: Arc<dyn LogTable>,
    /// The Merkle tree over the log, and its signed heads.
    pub seals: Arc<dyn SealStore>,
    /// Keeps the newest head where a writer of the log and the tree cannot change it.
    pub keeper: Arc<dyn HeadKeeper>,
    /// The secret the signing key is derived from: the same on every node of an installation.
    pub secret: [u8; 32],
}

impl fmt::Debug for SealedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedLog").field("seals", &self.seals).finish_non_exhaustive()
    }
}

/// Why sealing cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    /// The kept head cannot be read, or cannot be trusted.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The stored tree does not match a head that the key signed.
    #[error(transparent)]
    Damaged(Damaged),
    /// Events that were sealed are missing.
    #[error("{sealed} events were sealed, but the log has {found}: events are missing")]
    Shrunk {
        /// Events that were sealed.
        sealed: u64,
        /// Events that are in the log.
        found: u64,
    },
    /// The kept head belongs to another log.
    #[error("the head that is kept is one of the log {kept}, but this is the log {found}")]
    OtherLog {
        /// Id of the log that was sealed.
        kept: Uuid,
        /// Id of the log that is there.
        found: Uuid,
    },
    /// Events that were sealed have changed.
    #[error("positions {from} to {to} of the log are not what was sealed: events were changed")]
    Changed {
        /// The first position that may differ.
        from: u64,
        /// The last position that may differ.
        to: u64,
    },
    /// The stored tree and the kept head do not agree.
    #[error("the stored tree is not the one whose head of {size} events the key store keeps")]
    OtherTree {
        /// Events that the kept head covers.
        size: u64,
    },
    /// The key store is an older copy: it lacks keys made since, and still has keys that were erased since.
    #[error("the key store knows the log up to event {kept}, but {sealed} were sealed: it is an older copy")]
    KeysOlder {
        /// Events that the kept head covers.
        kept: u64,
        /// Events that were sealed.
        sealed: u64,
    },
    /// There are events, but no head is stored or kept: the seals were deleted.
    #[error("the log has {found} events, but no head of it is stored or kept: its seals were deleted")]
    NeverSealed {
        /// Events that are in the log.
        found: u64,
    },
}

impl From<Damaged> for Unsound {
    fn from(error: Damaged) -> Self {
        match error {
            Damaged::Unavailable(error) => Self::Store(error),
            other => Self::Damaged(other),
        }
    }
}

impl Unsound {
    /// Whether the stores disagree, as opposed to one of them being unavailable.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Read(ReadError::Unavailable(_)) | Self::Store(_) => false,
            Self::Keep(error) => !matches!(error, KeepError::Unavailable(_)),
            _ => true,
        }
    }
}

/// The state from which sealing goes on.
#[derive(Debug)]
pub struct Standing {
    /// Id of the log; `None` while it is empty.
    pub log: Option<Uuid>,
    /// The right edge of the stored tree.
    pub edge: TileEdge,
    /// The head of the stored tree; `None` before the first one.
    pub head: Option<Head>,
    /// The head in the key store. When it is larger than the stored head, the tree must be rebuilt up to it
    /// and reach its root.
    pub kept: Option<KeptHead>,
}

impl SealedLog {
    /// The signer of the log's heads.
    #[must_use]
    pub fn signer(&self, log: Uuid) -> NoteSigner {
        NoteSigner::new(origin(log), &self.secret)
    }

    /// The verifier of the log's heads.
    #[must_use]
    pub fn verifier(&self, log: Uuid) -> NoteVerifier {
        self.signer(log).verifier()
    }

    /// The id of the log; `None` while it is empty. Fails when the log cannot be read.
    pub async fn id(&self) -> Result<Option<Uuid>, ReadError> {
        match self.table.rows(Position::START, Position(1), 1).await?.pop() {
            None => Ok(None),
            Some(first) => Ok(Some(log_id(&readable(first)?))),
        }
    }

    /// Checks that the kept head, the stored tree and the log agree, and answers the state from which sealing goes on.
    ///
    /// A stored tree that is missing, too short or damaged is no error as long as the log leads to the root of the
    /// kept head: then the tree is rebuilt. The only write is moving such a tree aside.
    pub async fn standing(&self, now: Time) -> Result<Standing, Unsound> {
        match self.look(now).await {
            // two nodes may start on an empty log at once: one may have filled it while the other looked
            Err(Unsound::NeverSealed { .. }) if self.keeper.kept().await?.is_some() => self.look(now).await,
            looked => looked,
        }
    }

    /// Makes sure that the key store, which had the head `kept` a moment ago, is not an older copy. Each head is
    /// kept before the next one is stored, so at most one may be missing there.
    ///
    /// Fails with [`Unsound::KeysOlder`], and when a store cannot be read.
    pub async fn keys_must_be_current(&self, kept: Option<KeptHead>) -> Result<(), Unsound> {
        let Some(kept) = kept else { return Ok(()) };
        let beyond = self.seals.heads(Some(kept.size), false, 2).await?;
        let [next, _] = &beyond[..] else { return Ok(()) };
        // another node may have sealed and kept a head meanwhile
        if self.keeper.kept().await?.is_some_and(|now| now.size >= next.size) {
            return Ok(());
        }
        let sealed = self.seals.latest().await?.map_or(next.size, |head| head.size);
        Err(Unsound::KeysOlder { kept: kept.size, sealed })
    }

    async fn look(&self, now: Time) -> Result<Standing, Unsound> {
        // the sealer stores a head first and keeps it then, and events come before both: read in the opposite order
        let kept = self.keeper.kept().await?;
        let stored = self.seals.latest().await?;
        let end = self.log.head().await?.0;
        let sealed = kept.map_or(0, |kept| kept.size).max(stored.as_ref().map_or(0, |head| head.size));
        if end < sealed {
            return Err(Unsound::Shrunk { sealed, found: end });
        }
        let Some(log) = self.id().await? else {
            if end > 0 {
                return Err(Unsound::Shrunk { sealed: end, found: 0 });
            }
            return Ok(Standing { log: None, edge: TileEdge::default(), head: None, kept });
        };
        if let Some(kept) = kept.filter(|kept| kept.size > 0 && kept.log != log) {
            return Err(Unsound::OtherLog { kept: kept.log, found: log });
        }
        let (edge, head) = match self.stored(log).await {
            Ok(stored) => stored,
            Err(Unsound::Damaged(damaged)) => {
                let Some(kept) = kept.filter(|kept| kept.size > 0) else { return Err(damaged.into()) };
                self.must_lead_to(&kept, log, Frontier::default()).await?;
                let aside = self.seals.set_aside(now).await?;
                tracing::error!(
                    error = &damaged as &dyn std::error::Error,
                    heads = aside,
                    "the stored tree was damaged and is put aside; the log is what was sealed, and the tree is made again"
                );
                (TileEdge::default(), None)
            }
            Err(error) => return Err(error),
        };
        let size = edge.size();
        match kept {
            None if size == 0 => return Err(Unsound::NeverSealed { found: end }),
            None => {
                tracing::warn!(size, "no head of the log was kept before: the stored one is taken for it")
            }
            Some(kept) if kept.size > size => {
                self.must_lead_to(&kept, log, frontier_of(&edge)).await?;
                tracing::error!(
                    stored = size,
                    kept = kept.size,
                    "signed heads were deleted; the log is what was sealed, and the tree is made again"
                );
            }
            Some(kept) if kept.size == 0 => {}
            Some(kept) => {
                let root = Prover::new(self.seals.clone()).root(kept.size).await;
                if rooted(root, size)? != kept.root {
                    return Err(Unsound::OtherTree { size: kept.size });
                }
            }
        }
        Ok(Standing { log: Some(log), edge, head, kept })
    }

    /// The stored tree, if it leads to a head that the key signed, and if the newest events match that head.
    async fn stored(&self, log: Uuid) -> Result<(TileEdge, Option<Head>), Unsound> {
        let (edge, head) = restore(&*self.seals, &self.verifier(log)).await?;
        if let Some(head) = &head {
            let from = head.size.saturating_sub(NEWEST) + 1;
            self.must_hold(log, head, from, head.size).await?;
        }
        Ok((edge, head))
    }

    /// Makes sure that the log leads to the kept root, beginning from the known frontier `from`.
    async fn must_lead_to(&self, kept: &KeptHead, log: Uuid, from: Frontier) -> Result<(), Unsound> {
        let mut tree = from;
        let mut entry = Vec::new();
        while tree.size() < kept.size {
            let rows = self.table.rows(Position(tree.size()), Position(kept.size), PAGE).await?;
            if rows.is_empty() {
                return Err(Unsound::Shrunk { sealed: kept.size, found: tree.size() });
            }
            for row in rows {
                tree.push(leaf_at(log, row, tree.size() + 1, &mut entry)?);
            }
            tokio::task::yield_now().await;
        }
        if tree.root() == kept.root { Ok(()) } else { Err(Unsound::Changed { from: 1, to: kept.size }) }
    }

    /// Makes sure that the events from `from` to `to` are what `head` covers: they and the stored hashes of all
    /// other events must lead to its root. Changing an event together with its stored hash is found, too.
    ///
    /// Fails with [`Unsound::Changed`] and the positions that differ, or with [`Unsound::Damaged`] when only
    /// the tree is wrong.
    pub async fn must_hold(&self, log: Uuid, head: &Head, from: u64, to: u64) -> Result<(), Unsound> {
        let mut leaves: Vec<Hash> = Vec::with_capacity((to + 1).saturating_sub(from) as usize);
        let mut entry = Vec::new();
        let mut after = from - 1;
        while after < to {
            let rows = self.table.rows(Position(after), Position(to), PAGE).await?;
            if rows.is_empty() {
                let found = if self.table.rows(Position(to), Position(u64::MAX), 1).await?.is_empty() {
                    after
                } else {
                    return Err(Unsound::Changed { from: after + 1, to: after + 1 });
                };
                return Err(Unsound::Shrunk { sealed: head.size, found });
            }
            for row in rows {
                leaves.push(leaf_at(log, row, after + 1, &mut entry)?);
                after += 1;
            }
        }
        let (before, behind) = (subtrees(0, from - 1), subtrees(to, head.size));
        let own: Vec<_> = (from - 1..to).map(|index| Node { level: 0, index }).collect();
        let nodes = [before.as_slice(), &behind, &own].concat();
        let hashes = Prover::new(self.seals.clone()).nodes(&nodes).await;
        let hashes = hashes.map_err(|error| missing(error, head.size))?;
        let (left, rest) = hashes.split_at(before.len());
        let (right, stored) = rest.split_at(behind.len());
        let mut tree = Frontier::default();
        for (node, hash) in before.iter().zip(left) {
            tree.push_subtree(node.level, *hash);
        }
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        for (node, hash) in behind.iter().zip(right) {
            tree.push_subtree(node.level, *hash);
        }
        let as_signed = tree.root() == head.root;
        if as_signed && leaves == stored {
            return Ok(());
        }
        let differs = |(_, (leaf, stored)): &(u64, (&Hash, &Hash))| leaf != stored;
        let mut changed = (from..).zip(leaves.iter().zip(stored)).filter(differs).map(|(at, _)| at);
        match changed.next().filter(|_| !as_signed) {
            Some(first) => Err(Unsound::Changed { from: first, to: changed.last().unwrap_or(first) }),
            None => Err(Unsound::Damaged(Damaged::Tiles { size: head.size })),
        }
    }

    /// The newest stored head. Fails with [`Unsound::Damaged`] when the key did not sign it.
    pub async fn latest(&self, log: Uuid) -> Result<Option<Head>, Unsound> {
        let Some(head) = self.seals.latest().await? else { return Ok(None) };
        super::tree::verified(&head, &self.verifier(log))?;
        Ok(Some(head))
    }
}

/// Turns a failure to get the root of the tree of `size` events into [`Unsound`].
pub(super) fn rooted(root: Result<Hash, ProveError>, size: u64) -> Result<Hash, Unsound> {
    root.map_err(|error| missing(error, size))
}

fn missing(error: ProveError, size: u64) -> Unsound {
    match error {
        ProveError::Unavailable(error) => Unsound::Store(error),
        ProveError::Missing { .. } | ProveError::Beyond { .. } => Unsound::Damaged(Damaged::Tiles { size }),
    }
}

fn frontier_of(edge: &TileEdge) -> Frontier {
    let mut frontier = Frontier::default();
    let (peaks, size) = (edge.peaks(), edge.size());
    for (node, hash) in subtrees(0, size).into_iter().zip(peaks) {
        frontier.push_subtree(node.level, hash);
    }
    frontier
}

pub(super) fn readable(row: Result<Recorded, Unreadable>) -> Result<Recorded, ReadError> {
    row.map_err(|unreadable| ReadError::Damaged { position: unreadable.position, detail: unreadable.why })
}

/// The leaf hash of the event that must be at `position`.
fn leaf_at(
    log: Uuid,
    row: Result<Recorded, Unreadable>,
    position: u64,
    entry: &mut Vec<u8>,
) -> Result<Hash, Unsound> {
    let changed = Unsound::Changed { from: position, to: position };
    let Ok(event) = row else { return Err(changed) };
    if event.position.0 != position {
        return Err(changed);
    }
    entry.clear();
    Entry::of(log, &event).write(entry);
    Ok(leaf_hash(entry))
}
