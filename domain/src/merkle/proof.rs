//! Inclusion and consistency proofs: which hashes they consist of, and how they are checked.
//!
//! A proof is planned as nodes of the tree, so that only those need to be fetched. The checks are the loops of RFC
//! 9162 §2.1.3.2 and §2.1.4.2.

use super::hash::{Hash, node_hash};

/// A complete subtree: the `index`th of those with 2^`level` leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Its height: 0 for a leaf.
    pub level: u8,
    /// Number from the left among the nodes of its level, from 0.
    pub index: u64,
}

/// Why a proof is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf, or the older tree, lies beyond the tree.
    #[error("it lies beyond the tree")]
    BeyondTree,
    /// The proof has more or fewer hashes than such a proof has.
    #[error("the proof has a wrong number of hashes")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// The largest complete subtrees that make up the leaves from `from` to before `to`, from left to right.
#[must_use]
pub fn subtrees(from: u64, to: u64) -> Vec<Node> {
    let (mut at, mut nodes) = (from, Vec::new());
    while at < to {
        let aligned = at.trailing_zeros().min(63);
        let fits = (to - at).ilog2();
        let level = aligned.min(fits);
        nodes.push(Node { level: level as u8, index: at >> level });
        at += 1 << level;
    }
    nodes
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The nodes that prove that leaf `index` (from 0) is in the tree of `size`: each list gives one hash of the
/// proof, over all its nodes. `None` beyond the tree.
#[must_use]
pub fn inclusion_plan(index: u64, size: u64) -> Option<Vec<Vec<Node>>> {
    if index >= size {
        return None;
    }
    let (mut from, mut to, mut plan) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            plan.push(subtrees(middle, to));
            to = middle;
        } else {
            plan.push(subtrees(from, middle));
            from = middle;
        }
    }
    plan.reverse();
    Some(plan)
}

/// The nodes that prove that the tree of `size` begins with the tree of `old`. `None` when `old` is 0
/// or larger than `size`.
#[must_use]
pub fn consistency_plan(old: u64, size: u64) -> Option<Vec<Vec<Node>>> {
    if old == 0 || old > size {
        return None;
    }
    let (mut from, mut to, mut plan, mut whole) = (0, size, Vec::new(), true);
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            plan.push(subtrees(middle, to));
            to = middle;
        } else {
            plan.push(subtrees(from, middle));
            from = middle;
            whole = false;
        }
    }
    // whoever asks knows the root of the old tree, but not that of a part of it
    if !whole {
        plan.push(subtrees(from, to));
    }
    plan.reverse();
    Some(plan)
}

/// Checks that the leaf with this hash is the one with number `index` (from 0) in the tree of `size` and
/// `root` (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::BeyondTree);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `size` and `root` begins with the tree of `old` and `old_root` (RFC 9162 §2.1.4.2).
pub fn verify_consistency(
    old: u64,
    size: u64,
    proof: &[Hash],
    old_root: &Hash,
    root: &Hash,
) -> Result<(), ProofError> {
    if old == 0 || old > size {
        return Err(ProofError::BeyondTree);
    }
    if old == size {
        return match proof {
            [] if old_root == root => Ok(()),
            [] => Err(ProofError::Root),
            _ => Err(ProofError::Length),
        };
    }
    let (first, rest) = match proof.split_first() {
        None => return Err(ProofError::Length),
        // an old tree whose size is a power of two is itself a node of the new one, and the path
        // begins with its root
        Some(_) if old.is_power_of_two() => (*old_root, proof),
        Some((first, rest)) => (*first, rest),
    };
    let (mut at, mut last) = (old - 1, size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut older, mut newer) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            older = node_hash(sibling, &older);
            newer = node_hash(sibling, &newer);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            newer = node_hash(&newer, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if older == *old_root && newer == *root { Ok(()) } else { Err(ProofError::Root) }
}
