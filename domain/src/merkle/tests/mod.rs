//! The published examples, and what must hold of any tree.

mod entries;
mod notes;
mod properties;
mod vectors;

use super::*;

/// A tree held in memory: its leaves, and the hash of any range by the definition of RFC 6962 §2.1.
struct Plain(Vec<Hash>);

impl Plain {
    fn of(leaves: usize) -> Self {
        Self((0..leaves).map(|n| leaf_hash(&n.to_be_bytes())).collect())
    }

    fn range(&self, from: u64, to: u64) -> Hash {
        match to - from {
            0 => EMPTY_ROOT,
            1 => self.0[from as usize],
            n => {
                let k = n.next_power_of_two() / 2;
                node_hash(&self.range(from, from + k), &self.range(from + k, to))
            }
        }
    }

    fn root(&self, size: u64) -> Hash {
        self.range(0, size)
    }

    fn node(&self, node: Node) -> Hash {
        self.range(node.index << node.level, (node.index + 1) << node.level)
    }

    /// The hashes a plan asks for.
    fn prove(&self, plan: Option<Vec<Vec<Node>>>) -> Vec<Hash> {
        let fold = |nodes: Vec<Node>| {
            let hashes: Vec<_> = nodes.into_iter().map(|node| self.node(node)).collect();
            let (last, rest) = hashes.split_last().unwrap();
            rest.iter().rev().fold(*last, |right, left| node_hash(left, &right))
        };
        plan.unwrap().into_iter().map(fold).collect()
    }
}
