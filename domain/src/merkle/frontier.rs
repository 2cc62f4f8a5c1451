//! The right edge of a Merkle tree: enough to append leaves and to compute the root.

use super::hash::{EMPTY_ROOT, Hash, node_hash};

/// Roots of the complete subtrees a tree is made of, the largest first: one for each set bit of its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Number of leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Adds a complete subtree of 2^`level` leaves. Answers `false` and changes nothing unless the size of the
    /// tree is a multiple of 2^`level`.
    pub fn push_subtree(&mut self, level: u8, root: Hash) -> bool {
        let Some(leaves) = 1_u64.checked_shl(u32::from(level)) else { return false };
        let Some(size) = self.size.checked_add(leaves).filter(|_| self.size.is_multiple_of(leaves)) else {
            return false;
        };
        let (mut root, mut rest) = (root, self.size >> level);
        while rest & 1 == 1 {
            // each set bit of the size has its peak
            let Some(left) = self.peaks.pop() else { return false };
            root = node_hash(&left, &root);
            rest >>= 1;
        }
        self.peaks.push(root);
        self.size = size;
        true
    }

    /// Root of the tree at its present size.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_of(&self.peaks)
    }

    /// Roots of the complete subtrees, the largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }
}

/// Root over subtrees of decreasing size, as RFC 6962 splits a tree.
pub(super) fn root_of(peaks: &[Hash]) -> Hash {
    let mut rest = peaks.iter().rev();
    let Some(last) = rest.next() else { return EMPTY_ROOT };
    rest.fold(*last, |right, left| node_hash(left, &right))
}
