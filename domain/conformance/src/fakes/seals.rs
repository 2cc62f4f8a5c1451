//! A tree kept in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use domain::envelope::Time;
use domain::merkle::{Tile, TileId};
use domain::ports::StoreUnavailable;
use domain::ports::seals::{Head, SealStore};

/// A [`SealStore`] in memory.
#[derive(Debug, Default)]
pub struct MemorySeals {
    tiles: Mutex<BTreeMap<TileId, Tile>>,
    heads: Mutex<BTreeMap<u64, Head>>,
    aside: Mutex<Vec<Head>>,
}

impl MemorySeals {
    /// Deletes every head and tile of more than `size` events, as an attacker would.
    pub fn cut(&self, size: u64) {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).retain(|head, _| *head <= size);
        if size == 0 {
            self.tiles.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// The heads that were set aside.
    pub fn aside(&self) -> Vec<Head> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes a stored tile, as an attacker would.
    pub fn damage(&self, id: TileId, change: impl FnOnce(&mut Tile)) {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).entry(id).and_modify(change);
    }
}

#[async_trait]
impl SealStore for MemorySeals {
    async fn append(&self, tiles: &[Tile], head: &Head) -> Result<(), StoreUnavailable> {
        let mut stored = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        for tile in tiles {
            let old = stored.entry(tile.id).or_insert_with(|| tile.clone());
            if old.hashes.len() < tile.hashes.len() {
                *old = tile.clone();
            }
        }
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.entry(head.size).or_insert_with(|| head.clone());
        Ok(())
    }

    async fn set_aside(&self, _: Time) -> Result<u64, StoreUnavailable> {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let heads = std::mem::take(&mut *heads);
        let count = heads.len() as u64;
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).extend(heads.into_values());
        Ok(count)
    }

    async fn tiles(&self, ids: &[TileId]) -> Result<Vec<Tile>, StoreUnavailable> {
        let stored = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ids.iter().filter_map(|id| stored.get(id).cloned()).collect())
    }

    async fn latest(&self) -> Result<Option<Head>, StoreUnavailable> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(heads.values().next_back().cloned())
    }

    async fn covering(&self, size: u64) -> Result<Option<Head>, StoreUnavailable> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(heads.range(size..).next().map(|(_, head)| head.clone()))
    }

    async fn heads(
        &self,
        from: Option<u64>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<Head>, StoreUnavailable> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match backwards {
            false => heads.range(from.unwrap_or(0) + 1..).take(limit).map(|(_, head)| head.clone()).collect(),
            true => {
                let before = heads.range(..from.unwrap_or(u64::MAX)).rev();
                before.take(limit).map(|(_, head)| head.clone()).collect()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::seals::Subject;

    async fn fresh() -> Subject {
        Subject { store: Arc::new(MemorySeals::default()), keep: Box::new(()) }
    }

    crate::seals_suite!(super::fresh);
}
