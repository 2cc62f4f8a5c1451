//! What holds of any tree.

use proptest::prelude::*;

use super::*;

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut bytes = hash.0;
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    Hash(bytes)
}

proptest! {
    #[test]
    fn any_inclusion_proof_verifies_and_any_flipped_bit_fails(
        (size, index) in (1_u64..700).prop_flat_map(|size| (Just(size), 0..size)), bit in 0_usize..256, at in 0_usize..20,
    ) {
        let tree = Plain::of(size as usize);
        let (leaf, root) = (tree.0[index as usize], tree.root(size));
        let proof = tree.prove(inclusion_plan(index, size));
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
        prop_assert!(verify_inclusion(&flipped(&leaf, bit), index, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &flipped(&root, bit)).is_err());
        prop_assert!(verify_inclusion(&leaf, index ^ 1, size, &proof, &root).is_err());
        if let Some(at) = at.checked_rem(proof.len()) {
            let mut forged = proof.clone();
            forged[at] = flipped(&forged[at], bit);
            prop_assert_eq!(verify_inclusion(&leaf, index, size, &forged, &root), Err(ProofError::Root));
            prop_assert!(verify_inclusion(&leaf, index, size, &proof[..at], &root).is_err());
        }
        let longer = [proof.clone(), vec![root]].concat();
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &longer, &root), Err(ProofError::Length));
    }

    #[test]
    fn any_consistency_proof_verifies_and_any_flipped_bit_fails(
        (size, old) in (1_u64..700).prop_flat_map(|size| (Just(size), 1..=size)), bit in 0_usize..256, at in 0_usize..20,
    ) {
        let tree = Plain::of(size as usize);
        let (old_root, root) = (tree.root(old), tree.root(size));
        let proof = tree.prove(consistency_plan(old, size));
        prop_assert_eq!(verify_consistency(old, size, &proof, &old_root, &root), Ok(()));
        prop_assert!(verify_consistency(old, size, &proof, &flipped(&old_root, bit), &root).is_err());
        prop_assert!(verify_consistency(old, size, &proof, &old_root, &flipped(&root, bit)).is_err());
        if let Some(at) = at.checked_rem(proof.len()) {
            let mut forged = proof.clone();
            forged[at] = flipped(&forged[at], bit);
            prop_assert_eq!(verify_consistency(old, size, &forged, &old_root, &root), Err(ProofError::Root));
            prop_assert!(verify_consistency(old, size, &proof[..at], &old_root, &root).is_err());
        }
    }

    #[test]
    fn a_range_is_made_of_subtrees_in_order(from in 0_u64..5_000, length in 0_u64..5_000) {
        let nodes = subtrees(from, from + length);
        let mut at = from;
        for node in &nodes {
            prop_assert_eq!(node.index << node.level, at);
            at += 1 << node.level;
        }
        prop_assert_eq!(at, from + length);
        prop_assert!(nodes.len() <= 26);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_tree_in_tiles_gives_the_same_hashes_and_goes_on_where_it_was_stored(
        size in prop_oneof![1_u64..1_500, 65_500_u64..65_600], more in 0_u64..600, node in any::<u64>(), level in 0_u8..17,
    ) {
        let leaf = |n: u64| leaf_hash(&n.to_be_bytes());
        let (mut edge, mut frontier) = (TileEdge::default(), Frontier::default());
        (0..size).for_each(|n| { edge.push(leaf(n)); frontier.push(leaf(n)); });
        prop_assert_eq!(edge.root(), frontier.root());
        let mut stored: std::collections::BTreeMap<_, _> =
            edge.take_changed().into_iter().map(|tile| (tile.id, tile)).collect();
        prop_assert!(edge.take_changed().is_empty());

        let tiles: Vec<_> = TileId::edge(size)
            .into_iter()
            .map(|(id, width)| if width == 0 { Vec::new() } else { stored[&id].hashes.clone() })
            .collect();
        let mut again = TileEdge::restore(size, &tiles).unwrap();
        prop_assert_eq!(again.root(), frontier.root());
        (size..size + more).for_each(|n| { again.push(leaf(n)); frontier.push(leaf(n)); });
        prop_assert_eq!(again.root(), frontier.root());
        stored.extend(again.take_changed().into_iter().map(|tile| (tile.id, tile)));

        let count = (size + more) >> level;
        if count > 0 {
            let node = Node { level, index: node % count };
            let (from, to) = (node.index << level, (node.index + 1) << level);
            let mut part = Frontier::default();
            (from..to).for_each(|n| part.push(leaf(n)));
            let tile = Tile::from_bytes(TileId::of(node), &stored[&TileId::of(node)].to_bytes()).unwrap();
            prop_assert_eq!(tile.node(node), Some(part.root()));
        }
    }
}

#[test]
fn nothing_is_proven_beyond_the_tree() {
    assert_eq!(inclusion_plan(7, 7), None);
    assert_eq!(consistency_plan(8, 7), None);
    assert_eq!(consistency_plan(0, 7), None);
    let root = Plain::of(7).root(7);
    assert_eq!(verify_inclusion(&root, 7, 7, &[], &root), Err(ProofError::BeyondTree));
    assert_eq!(verify_consistency(8, 7, &[], &root, &root), Err(ProofError::BeyondTree));
    assert_eq!(verify_consistency(0, 7, &[], &root, &root), Err(ProofError::BeyondTree));
}

#[test]
fn a_subtree_begins_only_where_it_fits() {
    let mut frontier = Frontier::default();
    assert!(frontier.push_subtree(1, EMPTY_ROOT));
    assert!(!frontier.push_subtree(2, EMPTY_ROOT));
    assert!(!frontier.push_subtree(64, EMPTY_ROOT));
    assert_eq!(frontier.size(), 2);
}
