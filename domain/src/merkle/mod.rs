//! The verification core: a Merkle tree over the log (RFC 6962, unchanged in RFC 9162), its
//! proofs, and signed tree heads (C2SP [tlog-checkpoint](https://c2sp.org/tlog-checkpoint)
//! in a [signed note](https://c2sp.org/signed-note)).
//!
//! It needs SHA-256, Ed25519 and base64 and nothing else: no log, no database, no clock. It is small enough that
//! an auditor can read all of it and rewrite it from the RFC.

mod entry;
mod frontier;
mod hash;
mod kept;
mod note;
mod proof;
mod tile;

#[cfg(test)]
mod tests;

pub use entry::{Entry, log_id, origin};
pub use frontier::Frontier;
pub use hash::{BadHash, EMPTY_ROOT, Hash, leaf_hash, node_hash};
pub use kept::KeptHead;
pub use note::{Checkpoint, NoteError, NoteSigner, NoteVerifier, SignedCheckpoint, checkpoints_in};
pub use proof::{
    Node, ProofError, consistency_plan, inclusion_plan, subtrees, verify_consistency, verify_inclusion,
};
pub use tile::{TILE, Tile, TileEdge, TileId};
