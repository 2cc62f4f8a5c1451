//! What every [`SealStore`] must do, as functions over a fresh, empty store.
//!
//! `seals_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> Subject`.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use domain::envelope::Time;
use domain::merkle::{Hash, Tile, TileId};
use domain::ports::seals::{Head, SealStore};

/// A store under test.
pub struct Subject {
    pub store: Arc<dyn SealStore>,
    /// Whatever must outlive it: a temporary folder, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("store", &self.store).finish_non_exhaustive()
    }
}

fn head(size: u64) -> Head {
    let sealed_at = Time::from_timestamp_micros(1_767_225_600_000_001 + size as i64).unwrap();
    Head { size, root: Hash([size as u8; 32]), note: format!("note — of {size}\n"), sealed_at }
}

fn tile(level: u8, index: u64, hashes: u8) -> Tile {
    Tile { id: TileId { level, index }, hashes: (0..hashes).map(|n| Hash([n; 32])).collect() }
}

/// An empty store has nothing.
pub async fn nothing_is_there_before_it_is_added(subject: &Subject) {
    let store = &subject.store;
    assert_eq!(store.latest().await.unwrap(), None);
    assert_eq!(store.covering(1).await.unwrap(), None);
    assert_eq!(store.heads(None, true, 9).await.unwrap(), []);
    assert_eq!(store.tiles(&[TileId { level: 0, index: 0 }]).await.unwrap(), []);
}

/// Heads and tiles are read back as they were added; tiles that do not exist are left out.
pub async fn tiles_and_heads_are_kept(subject: &Subject) {
    let store = &subject.store;
    let tiles = [tile(0, 0, 255), tile(0, 7, 1), tile(1, 7, 3)];
    store.append(&tiles, &head(300)).await.unwrap();
    assert_eq!(store.latest().await.unwrap(), Some(head(300)));
    let ids = [tiles[0].id, TileId { level: 2, index: 7 }, tiles[2].id, tiles[1].id];
    let mut found = store.tiles(&ids).await.unwrap();
    found.sort_by_key(|tile| tile.id);
    assert_eq!(found, tiles);
}

/// A tile only grows.
pub async fn a_tile_never_shrinks(subject: &Subject) {
    let store = &subject.store;
    for (length, size) in [(2, 1), (9, 2), (4, 3)] {
        store.append(&[tile(0, 0, length)], &head(size)).await.unwrap();
    }
    assert_eq!(store.tiles(&[TileId { level: 0, index: 0 }]).await.unwrap(), [tile(0, 0, 9)]);
}

/// A stored head never changes, whoever adds another of its size.
pub async fn a_head_never_changes(subject: &Subject) {
    let store = &subject.store;
    store.append(&[], &head(5)).await.unwrap();
    let other = Head { root: Hash([9; 32]), note: "other".to_owned(), ..head(5) };
    store.append(&[], &other).await.unwrap();
    assert_eq!(store.heads(None, false, 9).await.unwrap(), [head(5)]);
}

/// Heads are found by what they cover, and listed either way in pages.
pub async fn heads_are_found_and_listed(subject: &Subject) {
    let store = &subject.store;
    for size in [3, 5, 9, 12] {
        store.append(&[], &head(size)).await.unwrap();
    }
    for (size, found) in [(0, Some(3)), (3, Some(3)), (4, Some(5)), (12, Some(12)), (13, None)] {
        assert_eq!(store.covering(size).await.unwrap(), found.map(head), "{size}");
    }
    let sizes = async |from, backwards, limit| {
        let heads = store.heads(from, backwards, limit).await.unwrap();
        heads.iter().map(|head| head.size).collect::<Vec<_>>()
    };
    assert_eq!(sizes(None, false, 3).await, [3, 5, 9]);
    assert_eq!(sizes(Some(9), false, 3).await, [12]);
    assert_eq!(sizes(None, true, 3).await, [12, 9, 5]);
    assert_eq!(sizes(Some(5), true, 3).await, [3]);
    assert_eq!(store.latest().await.unwrap(), Some(head(12)));
}

/// A tree that was set aside is no longer read, and another may begin, as often as need be.
pub async fn a_tree_is_put_aside_whole(subject: &Subject) {
    let store = &subject.store;
    assert_eq!(store.set_aside(head(1).sealed_at).await.unwrap(), 0);
    for round in 2..4_u64 {
        store.append(&[tile(0, 0, 200), tile(1, 0, 3)], &head(9)).await.unwrap();
        store.append(&[], &head(12)).await.unwrap();
        assert_eq!(store.set_aside(head(round).sealed_at).await.unwrap(), 2);
        assert_eq!(store.latest().await.unwrap(), None);
        assert_eq!(store.tiles(&[TileId { level: 0, index: 0 }]).await.unwrap(), []);
    }
    let other = Head { root: Hash([9; 32]), note: "other".to_owned(), ..head(5) };
    store.append(&[tile(0, 0, 5)], &other).await.unwrap();
    assert_eq!(store.heads(None, false, 9).await.unwrap(), std::slice::from_ref(&other));
    // and its heads cannot be changed either
    store.append(&[], &head(5)).await.unwrap();
    assert_eq!(store.latest().await.unwrap(), Some(other));
}

/// Makes a test of every case; `$fresh` is an `async fn() -> Subject`.
#[macro_export]
macro_rules! seals_suite {
    ($fresh:path) => {
        $crate::port_cases! { $fresh, seals:
            nothing_is_there_before_it_is_added,
            tiles_and_heads_are_kept,
            a_tile_never_shrinks,
            a_head_never_changes,
            heads_are_found_and_listed,
            a_tree_is_put_aside_whole,
        }
    };
}
