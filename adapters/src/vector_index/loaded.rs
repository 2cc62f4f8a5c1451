//! Copies of spaces in memory: those searched last, up to a number of bytes.

use std::hash::Hash;
use std::sync::Arc;

use domain::ports::StoreUnavailable;
use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use super::rows::{Changed, Head, PAGE, Since};
use crate::sql::db::Db;

/// A copy of a space, or of a part of it.
pub(super) trait SpaceCopy: Send + Sync + 'static {
    /// What it is a copy of.
    type Key: Hash + Eq + Clone + Send + Sync + std::fmt::Debug;
    /// What a row brings.
    type Content: Send;

    fn empty(key: &Self::Key) -> Self;

    /// The next rows that changed.
    fn page(
        db: &Db,
        key: &Self::Key,
        since: Since,
    ) -> impl Future<Output = Result<Vec<Changed<Self::Content>>, StoreUnavailable>> + Send;

    /// Applies a row; one that was applied before does no harm.
    fn apply(&mut self, row: Changed<Self::Content>);

    /// Called once all rows of now were applied.
    fn settle(&mut self) {}

    /// Memory that it takes, nearly.
    fn bytes(&self) -> usize;
}

/// One copy, and the state of the space that it has.
#[derive(Debug)]
pub(super) struct Loaded<C> {
    copy: RwLock<C>,
    /// Held by whoever brings it up to date.
    refreshing: tokio::sync::Mutex<()>,
    seen: Mutex<Option<Head>>,
    bytes: Mutex<usize>,
}

impl<C: SpaceCopy> Loaded<C> {
    pub(super) fn read<T>(&self, look: impl FnOnce(&C) -> T) -> T {
        look(&self.copy.read())
    }
}

#[derive(Debug)]
pub(super) struct Copies<C: SpaceCopy> {
    max_bytes: usize,
    copies: Mutex<LruCache<C::Key, Arc<Loaded<C>>>>,
}

impl<C: SpaceCopy> Copies<C> {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, copies: Mutex::new(LruCache::unbounded()) }
    }

    /// The copy of a space, up to date with `head`.
    pub(super) async fn fresh(
        &self,
        db: &Db,
        key: &C::Key,
        head: Head,
    ) -> Result<Arc<Loaded<C>>, StoreUnavailable> {
        let loaded = {
            let new = || {
                Arc::new(Loaded {
                    copy: RwLock::new(C::empty(key)),
                    refreshing: tokio::sync::Mutex::default(),
                    seen: Mutex::new(None),
                    bytes: Mutex::new(0),
                })
            };
            self.copies.lock().get_or_insert(key.clone(), new).clone()
        };
        let is_fresh = |seen: Option<Head>| {
            seen.is_some_and(|seen| seen.epoch == head.epoch && seen.version >= head.version)
        };
        if is_fresh(*loaded.seen.lock()) {
            return Ok(loaded);
        }
        let _refreshing = loaded.refreshing.lock().await;
        let seen = *loaded.seen.lock();
        if is_fresh(seen) {
            return Ok(loaded.clone());
        }
        let mut since = Since { changed: 0, id: Uuid::nil() };
        match seen.filter(|seen| seen.epoch == head.epoch) {
            Some(seen) => since = Since { changed: seen.version, id: Uuid::max() },
            None => {
                *loaded.copy.write() = C::empty(key);
                *loaded.seen.lock() = None;
            }
        }
        loop {
            let rows = C::page(db, key, since).await?;
            let last = (rows.len() as i64) < PAGE;
            let mut copy = loaded.copy.write();
            for row in rows {
                since = row.since;
                copy.apply(row);
            }
            if last {
                copy.settle();
                *loaded.bytes.lock() = copy.bytes();
                break;
            }
        }
        *loaded.seen.lock() = Some(head);
        self.make_room(key);
        Ok(loaded.clone())
    }

    /// Drops the copies used longest ago, but not this one.
    fn make_room(&self, but: &C::Key) {
        let mut copies = self.copies.lock();
        let mut bytes: usize = copies.iter().map(|(_, loaded)| *loaded.bytes.lock()).sum();
        while bytes > self.max_bytes
            && let Some((key, _)) = copies.peek_lru()
            && key != but
            && let Some((_, dropped)) = copies.pop_lru()
        {
            bytes -= *dropped.bytes.lock();
        }
    }

    /// Drops all copies of which `is` says so.
    pub(super) fn forget(&self, is: impl Fn(&C::Key) -> bool) {
        let mut copies = self.copies.lock();
        let keys: Vec<C::Key> = copies.iter().map(|(key, _)| key.clone()).filter(|key| is(key)).collect();
        for key in keys {
            copies.pop(&key);
        }
    }
}
