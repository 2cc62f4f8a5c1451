//! The Merkle tree over the log and its signed heads, and who is told of them.

use std::fmt;

use async_trait::async_trait;

use super::StoreUnavailable;
use crate::envelope::Time;
use crate::merkle::{Hash, Tile, TileId};

/// A signed tree head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many events it covers: positions 1 to this one.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The signed checkpoint.
    pub note: String,
    /// When it was signed.
    pub sealed_at: Time,
}

/// Where the tree is kept, apart from the log.
///
/// All of it follows from the log and the key, so that two who write at once write the same: it needs no fence. A head
/// that stands is never changed, and a tile only grows.
#[async_trait]
pub trait SealStore: fmt::Debug + Send + Sync {
    /// Adds a head and the tiles that changed since the last one, all or none, flushed before it answers. A tile that
    /// is stored longer already, and a head of a size that has one, stay as they are.
    async fn append(&self, tiles: &[Tile], head: &Head) -> Result<(), StoreUnavailable>;

    /// Puts every head and tile aside, as evidence, all or none: a new tree may begin. Answers how many heads that were.
    ///
    /// What was put aside is kept with `at`, and is no part of the tree any more.
    async fn set_aside(&self, at: Time) -> Result<u64, StoreUnavailable>;

    /// The tiles of these ids that there are, in any order; each may have grown beyond any head.
    async fn tiles(&self, ids: &[TileId]) -> Result<Vec<Tile>, StoreUnavailable>;

    /// The newest head.
    async fn latest(&self) -> Result<Option<Head>, StoreUnavailable>;

    /// The oldest head that covers at least so many events.
    async fn covering(&self, size: u64) -> Result<Option<Head>, StoreUnavailable>;

    /// Up to `limit` heads beyond (or, backwards, before) `from`; from the beginning (or the end) when that is `None`.
    async fn heads(
        &self,
        from: Option<u64>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<Head>, StoreUnavailable>;
}

/// Somebody outside of our power who keeps what was signed: whoever holds the log and its key could else write another
/// history and sign that.
#[async_trait]
pub trait Witness: fmt::Debug + Send + Sync {
    /// What it is called in logs.
    fn name(&self) -> &'static str;

    /// Hands over a signed checkpoint. Takes a bounded time.
    ///
    /// # Errors
    /// Why it was not taken.
    async fn tell(&self, note: &str) -> Result<(), String>;
}
