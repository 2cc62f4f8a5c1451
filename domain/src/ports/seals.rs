//! The Merkle tree over the log, its signed heads, and the witnesses that receive them.

use std::fmt;

use async_trait::async_trait;

use super::StoreUnavailable;
use crate::envelope::Time;
use crate::merkle::{Hash, Tile, TileId};

/// A signed tree head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of events it covers: positions 1 to this one.
    pub size: u64,
    /// Merkle root over these events.
    pub root: Hash,
    /// The head as a signed checkpoint.
    pub note: String,
    /// When it was signed.
    pub sealed_at: Time,
}

/// Stores the tree, apart from the log.
///
/// All of it follows from the log and the key, so that two who write at once write the same, and no fence is
/// needed. A stored head never changes, and a tile only grows.
#[async_trait]
pub trait SealStore: fmt::Debug + Send + Sync {
    /// Adds a head and the tiles that changed since the last one: all or none, flushed before it answers. A tile
    /// that is already stored longer, and a head of a size that is already stored, stay as they are.
    async fn append(&self, tiles: &[Tile], head: &Head) -> Result<(), StoreUnavailable>;

    /// Sets every head and tile aside as evidence, all or none, so that a new tree may begin. Answers how
    /// many heads that were.
    ///
    /// What was set aside is kept with `at` and is no part of the tree any more.
    async fn set_aside(&self, at: Time) -> Result<u64, StoreUnavailable>;

    /// The stored ones among these tiles, in any order; each may have grown beyond any head.
    async fn tiles(&self, ids: &[TileId]) -> Result<Vec<Tile>, StoreUnavailable>;

    /// The newest head, if any.
    async fn latest(&self) -> Result<Option<Head>, StoreUnavailable>;

    /// The oldest head that covers at least so many events.
    async fn covering(&self, size: u64) -> Result<Option<Head>, StoreUnavailable>;

    /// Up to `limit` heads larger than `from`, or smaller if `backwards`. `None` begins at the smallest,
    /// or at the largest.
    async fn heads(
        &self,
        from: Option<u64>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<Head>, StoreUnavailable>;
}

/// An outside party that keeps signed heads: whoever holds the log and its key could otherwise write another
/// history and sign that.
#[async_trait]
pub trait Witness: fmt::Debug + Send + Sync {
    /// Name of the witness in logs.
    fn name(&self) -> &'static str;

    /// Hands over a signed checkpoint, in bounded time. Fails with the reason why it was not taken.
    async fn tell(&self, note: &str) -> Result<(), String>;
}
