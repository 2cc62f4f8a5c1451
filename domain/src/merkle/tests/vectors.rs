//! The example trees of RFC 6962 §2.1.3 (RFC 9162 §2.1.5) and of the certificate-transparency reference implementation.

use super::*;

/// The leaves of the reference implementation's tests (`merkletree/merkle_tree_test.cc`), in hexadecimal.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
/// The root over the first 1, 2, … of them.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// Leaf number (from 1), size, proof.
const INCLUSION: [(u64, u64, &[&str]); 5] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (3, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        2,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];
/// Old size, size, proof.
const CONSISTENCY: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hash(hex: &str) -> Hash {
    Hash::from_slice(&bytes(hex)).unwrap()
}

fn tree() -> Plain {
    Plain(LEAVES.iter().map(|leaf| leaf_hash(&bytes(leaf))).collect())
}

#[test]
fn the_reference_tree_has_its_roots() {
    assert_eq!(
        Frontier::default().root(),
        hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
    assert_eq!(Hash::of(b""), EMPTY_ROOT);
    let (mut frontier, mut edge) = (Frontier::default(), TileEdge::default());
    for (leaf, root) in tree().0.into_iter().zip(ROOTS) {
        frontier.push(leaf);
        edge.push(leaf);
        assert_eq!((frontier.root(), edge.root()), (hash(root), hash(root)));
    }
}

#[test]
fn the_reference_inclusion_proofs_are_made_and_verify() {
    let tree = tree();
    for (leaf, size, proof) in INCLUSION {
        let proof: Vec<_> = proof.iter().map(|hex| hash(hex)).collect();
        let index = leaf - 1;
        assert_eq!(tree.prove(inclusion_plan(index, size)), proof);
        let root = hash(ROOTS[size as usize - 1]);
        assert_eq!(verify_inclusion(&tree.0[index as usize], index, size, &proof, &root), Ok(()));
    }
}

#[test]
fn the_reference_consistency_proofs_are_made_and_verify() {
    let tree = tree();
    for (old, size, proof) in CONSISTENCY {
        let proof: Vec<_> = proof.iter().map(|hex| hash(hex)).collect();
        assert_eq!(tree.prove(consistency_plan(old, size)), proof);
        let root = |size: u64| hash(ROOTS[size as usize - 1]);
        assert_eq!(verify_consistency(old, size, &proof, &root(old), &root(size)), Ok(()));
    }
}

/// RFC 6962 §2.1.3: the tree with the leaves d0 to d6 and the nodes a to l.
#[test]
fn the_example_of_the_rfc_has_its_proofs() {
    let d = Plain::of(7);
    let [a, b, c, dd, e, f, j] = [0, 1, 2, 3, 4, 5, 6].map(|n| d.0[n]);
    let (g, h, i) = (node_hash(&a, &b), node_hash(&c, &dd), node_hash(&e, &f));
    let (k, l) = (node_hash(&g, &h), node_hash(&i, &j));
    assert_eq!(d.root(7), node_hash(&k, &l));
    let path = |leaf| d.prove(inclusion_plan(leaf, 7));
    assert_eq!(path(0), [b, h, l]);
    assert_eq!(path(3), [c, g, l]);
    assert_eq!(path(4), [f, j, k]);
    assert_eq!(path(6), [i, k]);
    let proof = |old| d.prove(consistency_plan(old, 7));
    assert_eq!(proof(3), [c, dd, g, l]);
    assert_eq!(proof(4), [l]);
    assert_eq!(proof(6), [i, j, k]);
    for old in 1..=7 {
        assert_eq!(verify_consistency(old, 7, &proof(old), &d.root(old), &d.root(7)), Ok(()));
    }
}
