//! Loading of the stored Merkle tree.

use std::collections::HashMap;

use domain::merkle::{NoteError, NoteVerifier, SignedCheckpoint, TileEdge, TileId};
use domain::ports::StoreUnavailable;
use domain::ports::seals::{Head, SealStore};

/// Why a stored tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
    /// The newest head was not signed by this installation's key.
    #[error("the newest stored head, over {size} events, is not to be trusted")]
    Head {
        /// Events that the head covers.
        size: u64,
        /// Why the signature was rejected.
        #[source]
        error: NoteError,
    },
    /// The tiles do not lead to the newest head.
    #[error("the stored tiles do not make up the newest head, over {size} events")]
    Tiles {
        /// Events that the head covers.
        size: u64,
    },
}

/// The right edge of the tree as of its newest head; empty without a head. Fails when the tree does not lead to
/// that head, or when the key did not sign it.
pub async fn restore(
    store: &dyn SealStore,
    verifier: &NoteVerifier,
) -> Result<(TileEdge, Option<Head>), Damaged> {
    let Some(head) = store.latest().await? else { return Ok((TileEdge::default(), None)) };
    let size = head.size;
    verified(&head, verifier)?;
    let edge = TileId::edge(size);
    let wanted: Vec<_> = edge.iter().filter(|(_, width)| *width > 0).map(|(id, _)| *id).collect();
    let mut stored: HashMap<_, _> =
        store.tiles(&wanted).await?.into_iter().map(|tile| (tile.id, tile.hashes)).collect();
    let tiles: Vec<_> = edge.iter().map(|(id, _)| stored.remove(id).unwrap_or_default()).collect();
    let edge = TileEdge::restore(size, &tiles).filter(|edge| edge.root() == head.root);
    edge.map(|edge| (edge, Some(head))).ok_or(Damaged::Tiles { size })
}

/// Makes sure that the key signed a stored head.
pub(super) fn verified(head: &Head, verifier: &NoteVerifier) -> Result<(), Damaged> {
    let checked = head.note.parse().and_then(|note: SignedCheckpoint| {
        let signed = (note.checkpoint.size, note.checkpoint.root) == (head.size, head.root);
        if signed { verifier.verify(&note) } else { Err(NoteError::Forged) }
    });
    checked.map_err(|error| Damaged::Head { size: head.size, error })
}
