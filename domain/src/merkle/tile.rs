//! Tiles: how a tree is stored, so that each hash is written once and any proof needs
//! few reads (C2SP [tlog-tiles](https://c2sp.org/tlog-tiles)).
//!
//! A tile of level *L* holds up to 256 neighbouring hashes of complete subtrees with 256^*L* leaves. The last tile of
//! a level is partial until it is full; it only ever grows.

use super::frontier::{Frontier, root_of};
use super::hash::{Hash, node_hash};
use super::proof::Node;

/// Number of hashes in a full tile.
pub const TILE: usize = 256;
/// Levels of the tree that one level of tiles covers.
const HEIGHT: u8 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// 0 for tiles of leaves.
    pub level: u8,
    /// Number in its level, from 0.
    pub index: u64,
}

/// A tile, full or partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub id: TileId,
    /// Its hashes, at most [`TILE`].
    pub hashes: Vec<Hash>,
}

impl TileId {
    /// The tile that holds a node, or the hashes the node is computed from.
    #[must_use]
    pub fn of(node: Node) -> Self {
        let level = node.level / HEIGHT;
        Self { level, index: node.index >> (HEIGHT - node.level % HEIGHT) }
    }

    /// The tiles at the right edge of a tree of `size`, lowest level first, and how many hashes each has.
    #[must_use]
    pub fn edge(size: u64) -> Vec<(Self, usize)> {
        let mut edge = Vec::new();
        let (mut level, mut hashes) = (0, size);
        while hashes > 0 {
            let width = (hashes % TILE as u64) as usize;
            edge.push((Self { level, index: hashes / TILE as u64 }, width));
            hashes /= TILE as u64;
            level += 1;
        }
        edge
    }
}

impl Tile {
    /// Hash of a node that this tile holds; `None` for a node of another tile, and while the tile is
    /// too short for it.
    #[must_use]
    pub fn node(&self, node: Node) -> Option<Hash> {
        if TileId::of(node) != self.id {
            return None;
        }
        let height = node.level % HEIGHT;
        let first = (node.index << height) as usize % TILE;
        let mut hashes = self.hashes.get(first..first + (1 << height))?.to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        hashes.first().copied()
    }

    /// The stored form of a tile: its hashes in a row.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// Reads a stored tile; `None` when the bytes cannot be one.
    #[must_use]
    pub fn from_bytes(id: TileId, bytes: &[u8]) -> Option<Self> {
        let (hashes, []) = bytes.as_chunks::<32>() else { return None };
        (1..=TILE)
            .contains(&hashes.len())
            .then(|| Self { id, hashes: hashes.iter().copied().map(Hash).collect() })
    }
}

/// The tiles at the right edge of a growing tree.
#[derive(Debug, Clone, Default)]
pub struct TileEdge {
    size: u64,
    /// The last tile of every level, lowest first; never full.
    levels: Vec<Vec<Hash>>,
    /// Tiles that became full and were not taken yet.
    full: Vec<Tile>,
    /// Whether a level has changed since it was last taken.
    changed: Vec<bool>,
}

impl TileEdge {
    /// The edge of a tree of `size`, given the hashes of its edge tiles in the order of [`TileId::edge`]; `None`
    /// when one is too short.
    #[must_use]
    pub fn restore(size: u64, tiles: &[Vec<Hash>]) -> Option<Self> {
        let edge = TileId::edge(size);
        if tiles.len() != edge.len() {
            return None;
        }
        let levels: Option<Vec<_>> =
            edge.iter().zip(tiles).map(|((_, width), hashes)| Some(hashes.get(..*width)?.to_vec())).collect();
        let changed = vec![false; edge.len()];
        Some(Self { size, levels: levels?, full: Vec::new(), changed })
    }

    /// Number of leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        self.size += 1;
        let mut carry = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::with_capacity(TILE));
                self.changed.push(false);
            }
            self.changed[level] = true;
            self.levels[level].push(carry);
            if self.levels[level].len() < TILE {
                return;
            }
            let hashes = std::mem::replace(&mut self.levels[level], Vec::with_capacity(TILE));
            let index = (self.size >> (usize::from(HEIGHT) * (level + 1))) - 1;
            self.changed[level] = false;
            let mut frontier = Frontier::default();
            hashes.iter().for_each(|hash| frontier.push(*hash));
            carry = frontier.root();
            self.full.push(Tile { id: TileId { level: level as u8, index }, hashes });
        }
    }

    /// The tiles that changed since the last call, in their present state.
    pub fn take_changed(&mut self) -> Vec<Tile> {
        let mut tiles = self.take_full();
        for (id, _) in TileId::edge(self.size) {
            let level = usize::from(id.level);
            if std::mem::take(&mut self.changed[level]) && !self.levels[level].is_empty() {
                tiles.push(Tile { id, hashes: self.levels[level].clone() });
            }
        }
        tiles
    }

    /// The tiles that became full since the last call.
    pub fn take_full(&mut self) -> Vec<Tile> {
        std::mem::take(&mut self.full)
    }

    /// The tiles at the edge that are not full.
    #[must_use]
    pub fn partial(&self) -> Vec<Tile> {
        let edge = TileId::edge(self.size).into_iter().filter(|(_, width)| *width > 0);
        edge.map(|(id, _)| Tile { id, hashes: self.levels[usize::from(id.level)].clone() }).collect()
    }

    /// Root of the tree at its present size.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_of(&self.peaks())
    }

    /// The roots of the complete subtrees it is made of, the largest first: those of [`subtrees`](super::subtrees).
    #[must_use]
    pub fn peaks(&self) -> Vec<Hash> {
        let peaks = self.levels.iter().rev().flat_map(|hashes| {
            let mut frontier = Frontier::default();
            hashes.iter().for_each(|hash| frontier.push(*hash));
            frontier.peaks().to_vec()
        });
        peaks.collect()
    }
}
