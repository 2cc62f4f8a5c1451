//! Copies of spaces in memory: those searched last, up to a number of bytes.

use std::hash::Hash;
use std::sync::Arc;

use domain::ports::StoreUnavailable;
use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use tokio::sync::OwnedMutexGuard;
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

/// One copy of a space in one epoch, and how far it has come.
#[derive(Debug)]
pub(super) struct Loaded<C> {
    epoch: i64,
    copy: RwLock<C>,
    /// Held by whoever brings it up to date; the rows up to here are in the copy.
    refreshing: Arc<tokio::sync::Mutex<Since>>,
    /// Version of the space that it has whole.
    version: Mutex<Option<i64>>,
    bytes: Mutex<usize>,
}

impl<C: SpaceCopy> Loaded<C> {
    fn new(key: &C::Key, epoch: i64) -> Self {
        Self {
            epoch,
            copy: RwLock::new(C::empty(key)),
            refreshing: Arc::new(tokio::sync::Mutex::new(Since { changed: 0, id: Uuid::nil() })),
            version: Mutex::new(None),
            bytes: Mutex::new(0),
        }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&C) -> T) -> T {
        look(&self.copy.read())
    }

    fn has(&self, version: i64) -> bool {
        self.version.lock().is_some_and(|seen| seen >= version)
    }
}

type ByKey<C> = LruCache<<C as SpaceCopy>::Key, Arc<Loaded<C>>>;

/// Copies by what they are copies of. A clone shares them.
#[derive(Debug)]
pub(super) struct Copies<C: SpaceCopy> {
    max_bytes: usize,
    copies: Arc<Mutex<ByKey<C>>>,
}

impl<C: SpaceCopy> Clone for Copies<C> {
    fn clone(&self) -> Self {
        Self { max_bytes: self.max_bytes, copies: self.copies.clone() }
    }
}

impl<C: SpaceCopy> Copies<C> {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, copies: Arc::new(Mutex::new(LruCache::unbounded())) }
    }

    /// The copy of a space, up to date with `head`. Loading goes on when the caller waits no longer, so that a space is
    /// loaded once however short its callers' deadlines are.
    pub(super) async fn fresh(
        &self,
        db: &Db,
        key: &C::Key,
        head: Head,
    ) -> Result<Arc<Loaded<C>>, StoreUnavailable> {
        let loaded = self.of(key, head.epoch);
        if loaded.has(head.version) {
            return Ok(loaded);
        }
        let since = loaded.refreshing.clone().lock_owned().await;
        if !loaded.has(head.version) {
            let (copies, key) = (self.clone(), key.clone());
            let load = load(db.clone(), key.clone(), loaded.clone(), head.version, since);
            let done = tokio::spawn(async move {
                load.await?;
                copies.make_room(&key);
                Ok(())
            });
            done.await.map_err(|_| StoreUnavailable("loading was cut off".to_owned()))??;
        }
        Ok(loaded)
    }

    /// The copy of this epoch, or of a later one. An older one is left to those who search it.
    fn of(&self, key: &C::Key, epoch: i64) -> Arc<Loaded<C>> {
        let mut copies = self.copies.lock();
        match copies.get(key) {
            Some(loaded) if loaded.epoch >= epoch => loaded.clone(),
            _ => {
                let new = Arc::new(Loaded::new(key, epoch));
                copies.put(key.clone(), new.clone());
                new
            }
        }
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

/// Applies all rows up to `version`, and those that came since.
async fn load<C: SpaceCopy>(
    db: Db,
    key: C::Key,
    loaded: Arc<Loaded<C>>,
    version: i64,
    mut since: OwnedMutexGuard<Since>,
) -> Result<(), StoreUnavailable> {
    loop {
        let rows = C::page(&db, &key, *since).await?;
        let last = (rows.len() as i64) < PAGE;
        let to = rows.last().map(|row| row.since);
        let into = loaded.clone();
        // many rows take their time, which others on this thread must not wait for
        let apply = tokio::task::spawn_blocking(move || {
            let mut copy = into.copy.write();
            for row in rows {
                copy.apply(row);
            }
            if last {
                copy.settle();
            }
            *into.bytes.lock() = copy.bytes();
        });
        apply.await.map_err(|_| StoreUnavailable("loading was cut off".to_owned()))?;
        *since = to.unwrap_or(*since);
        if last {
            let mut seen = loaded.version.lock();
            *seen = Some(seen.map_or(version, |seen| seen.max(version)));
            return Ok(());
        }
    }
}
