//! Proofs from the stored Merkle tree.

use std::collections::HashMap;
use std::sync::Arc;

use domain::merkle::{Hash, Node, Tile, TileId, consistency_plan, inclusion_plan, node_hash};
use domain::ports::StoreUnavailable;
use domain::ports::seals::SealStore;

/// Why a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The position or size is beyond the tree, or the tree is beyond what is sealed.
    #[error("only {sealed} events are sealed")]
    Beyond {
        /// Events that are sealed.
        sealed: u64,
    },
    /// A tile that must be stored is missing.
    #[error("the stored tree lacks tile {index} of level {level}")]
    Missing {
        /// Level of the tile, from 0 at the leaves.
        level: u8,
        /// Index of the tile in its level.
        index: u64,
    },
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
}

/// Makes proofs from the stored Merkle tree.
#[derive(Debug, Clone)]
pub struct Prover(Arc<dyn SealStore>);

impl Prover {
    #[must_use]
    pub fn new(store: Arc<dyn SealStore>) -> Self {
        Self(store)
    }

    /// The store of the tree and its heads.
    #[must_use]
    pub fn store(&self) -> &dyn SealStore {
        &*self.0
    }

    /// The hash of the event at `position`, and the proof that it is in the tree of `size` events.
    pub async fn inclusion(&self, position: u64, size: u64) -> Result<(Hash, Vec<Hash>), ProveError> {
        let index = position.checked_sub(1);
        let plan = index.and_then(|index| Some((index, inclusion_plan(index, size)?)));
        let Some((index, mut plan)) = plan else { return Err(self.beyond().await?) };
        plan.push(vec![Node { level: 0, index }]);
        let mut hashes = self.hashes(size, &plan).await?;
        let leaf = hashes.pop().ok_or(ProveError::Missing { level: 0, index: index / 256 })?;
        Ok((leaf, hashes))
    }

    /// The proof that the tree of `size` events begins with the tree of `old` events.
    pub async fn consistency(&self, old: u64, size: u64) -> Result<Vec<Hash>, ProveError> {
        let Some(plan) = consistency_plan(old, size) else { return Err(self.beyond().await?) };
        self.hashes(size, &plan).await
    }

    /// The root of the tree as it was with `size` events.
    pub async fn root(&self, size: u64) -> Result<Hash, ProveError> {
        let plan = [domain::merkle::subtrees(0, size)];
        let root = self.hashes(size, &plan).await?.pop();
        Ok(root.unwrap_or(domain::merkle::EMPTY_ROOT))
    }

    /// The hashes of these nodes, in the same order.
    pub async fn nodes(&self, nodes: &[Node]) -> Result<Vec<Hash>, ProveError> {
        let tiles = self.tiles(nodes.iter().copied()).await?;
        nodes.iter().map(|node| hash_of(&tiles, *node)).collect()
    }

    async fn beyond(&self) -> Result<ProveError, ProveError> {
        let sealed = self.0.latest().await?.map_or(0, |head| head.size);
        Ok(ProveError::Beyond { sealed })
    }

    /// One hash over each list of nodes.
    async fn hashes(&self, size: u64, plan: &[Vec<Node>]) -> Result<Vec<Hash>, ProveError> {
        if self.0.covering(size).await?.is_none() {
            return Err(self.beyond().await?);
        }
        let tiles = self.tiles(plan.iter().flatten().copied()).await?;
        let mut hashes = Vec::with_capacity(plan.len());
        for nodes in plan {
            let parts: Vec<_> = nodes.iter().map(|node| hash_of(&tiles, *node)).collect::<Result<_, _>>()?;
            let mut parts = parts.into_iter().rev();
            if let Some(last) = parts.next() {
                hashes.push(parts.fold(last, |right, left| node_hash(&left, &right)));
            }
        }
        Ok(hashes)
    }

    async fn tiles(
        &self,
        nodes: impl Iterator<Item = Node>,
    ) -> Result<HashMap<TileId, Tile>, StoreUnavailable> {
        let mut ids: Vec<_> = nodes.map(TileId::of).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(self.0.tiles(&ids).await?.into_iter().map(|tile| (tile.id, tile)).collect())
    }
}

fn hash_of(tiles: &HashMap<TileId, Tile>, node: Node) -> Result<Hash, ProveError> {
    let id = TileId::of(node);
    let hash = tiles.get(&id).and_then(|tile| tile.node(node));
    hash.ok_or(ProveError::Missing { level: id.level, index: id.index })
}
