//! Carries the signed heads and their tree over to the copy of a log.

use std::sync::Arc;

use domain::merkle::{Frontier, NoteError, SignedCheckpoint, TileEdge};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{EventStore, ReadError};
use domain::ports::seals::{Head, SealStore as _};

use super::pages::Pages;
use super::{Copied, Stage, Watch};
use crate::seals::SealsDb;

/// Heads that are read, and carried over in one transaction.
const HEADS: usize = 512;

/// What was carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarriedSeals {
    /// Signed heads that both seal stores hold now.
    pub heads: u64,
    /// Events that the newest of them covers.
    pub sealed: u64,
}

/// Why seals were not carried over.
#[derive(Debug, thiserror::Error)]
pub enum SealsError {
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    #[error("the copied log cannot be read")]
    Read(#[from] ReadError),
    /// A stored head is no signed checkpoint.
    #[error("the source's head of {size} events cannot be read: `voxledger audit verify` tells of it")]
    Note {
        /// Events that the head covers.
        size: u64,
        #[source]
        error: NoteError,
    },
    /// The log does not come to what a head signs.
    #[error(
        "the source's head of {size} events is not of this log: events were changed, or lost, since they were sealed"
    )]
    Differs {
        /// Events that the head covers.
        size: u64,
    },
    /// The target's seals are not a beginning of the source's.
    #[error(
        "the target's seals have a head of {size} events that the source's have not: they are of something else"
    )]
    Other {
        /// Events that the head covers.
        size: u64,
    },
}

impl SealsError {
    /// Whether the stores are at fault, as opposed to one of them being away.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Read(ReadError::Unavailable(_)))
    }
}

/// Carries the heads of `from` over to `to`, and makes their tree from the events of the copy. Every head must sign what
/// the copy comes to. May be called again after it was cut off.
pub async fn carry_seals(
    copy: &Arc<dyn EventStore>,
    copied: &Copied,
    (from, to): (&SealsDb, &SealsDb),
    batch: usize,
    watch: &mut dyn Watch,
) -> Result<CarriedSeals, SealsError> {
    must_begin(from, to).await?;
    let Some(log) = copied.log else {
        return match from.latest().await? {
            None => Ok(CarriedSeals { heads: 0, sealed: 0 }),
            Some(head) => Err(SealsError::Differs { size: head.size }),
        };
    };
    let (mut root, mut tree) = (Frontier::default(), TileEdge::default());
    let mut leaves = Vec::new().into_iter();
    let mut pages = Pages::read(copy, log, 0, copied.events, batch);
    let mut carried = CarriedSeals { heads: 0, sealed: 0 };
    loop {
        let heads = from.heads(Some(carried.sealed), false, HEADS).await?;
        let Some(last) = heads.last() else { return Ok(carried) };
        for head in &heads {
            must_be_signed(head)?;
            while root.size() < head.size {
                let Some(leaf) = leaves.next() else {
                    // tiles without a head are no part of any tree yet
                    to.append_all(&tree.take_full(), &[]).await?;
                    let page = pages.next().await?.ok_or(SealsError::Differs { size: head.size })?;
                    leaves = page.leaves.into_iter();
                    watch.at(Stage::Sealing, root.size(), copied.events);
                    continue;
                };
                root.push(leaf);
                tree.push(leaf);
            }
            if root.root() != head.root {
                return Err(SealsError::Differs { size: head.size });
            }
        }
        to.append_all(&tree.take_changed(), &heads).await?;
        carried = CarriedSeals { heads: carried.heads + heads.len() as u64, sealed: last.size };
    }
}

/// Checks that the text of a head signs what is stored beside it. The key is the node's to check: it does so on start.
fn must_be_signed(head: &Head) -> Result<(), SealsError> {
    let note: SignedCheckpoint =
        head.note.parse().map_err(|error| SealsError::Note { size: head.size, error })?;
    if (note.checkpoint.size, note.checkpoint.root) == (head.size, head.root) {
        return Ok(());
    }
    Err(SealsError::Note { size: head.size, error: NoteError::Forged })
}

/// Checks that the newest head of `to`, if any, is one of `from`.
async fn must_begin(from: &SealsDb, to: &SealsDb) -> Result<(), SealsError> {
    let Some(newest) = to.latest().await? else { return Ok(()) };
    match from.covering(newest.size).await? {
        Some(same) if (same.size, same.root, &same.note) == (newest.size, newest.root, &newest.note) => {
            Ok(())
        }
        _ => Err(SealsError::Other { size: newest.size }),
    }
}
