//! Applies facts to rows and commits them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use domain::envelope::Position;
use domain::ports::StoreUnavailable;

use super::cache::Cache;
use crate::rollup::{Change, Contribution, Counts, Rollup, RollupKey, Sums};
use crate::store::{CommitError, Generation, Step, ViewRows, ViewStore};
use crate::view::{At, Row, View};

/// Rows of a view that are cached: at a kilobyte each, some tens of megabytes at most.
const CACHED_ROWS: usize = 40_000;
/// Sums of a view that are cached: mostly those of the present hour and day are used.
const CACHED_ROLLUPS: usize = 4_000;

/// A fact with the key of its row and its place in the log.
pub(super) type KeyedFact<V> = (<<V as View>::Row as Row>::Key, At, <V as View>::Fact);

/// The rows of one generation.
pub(super) struct Rows<V: View> {
    store: Arc<dyn ViewRows<V::Row>>,
    generation: Generation,
    cache: Cache<<V::Row as Row>::Key, Option<V::Row>>,
    sums: Arc<dyn ViewStore>,
    rollups: Cache<RollupKey, Counts>,
}

impl<V: View> Rows<V> {
    pub(super) fn new(
        store: Arc<dyn ViewRows<V::Row>>,
        sums: Arc<dyn ViewStore>,
        generation: Generation,
    ) -> Self {
        let (cache, rollups) = (Cache::new(CACHED_ROWS), Cache::new(CACHED_ROLLUPS));
        Self { store, generation, cache, sums, rollups }
    }

    /// Applies facts in order and commits the rows they change; answers whether the generation became active.
    /// After a failure the cache is cleared, so that the commit may be tried again from the stored checkpoint.
    pub(super) async fn commit(
        &mut self,
        step: &Step,
        facts: Vec<KeyedFact<V>>,
    ) -> Result<bool, CommitError> {
        let done = self.try_commit(step, facts).await;
        if done.is_err() || !V::FOLDS || step.retires.is_some() {
            self.cache.clear();
        }
        if done.is_err() {
            self.rollups.clear();
        }
        self.cache.trim();
        self.rollups.trim();
        done
    }

    async fn try_commit(&mut self, step: &Step, facts: Vec<KeyedFact<V>>) -> Result<bool, CommitError> {
        if V::FOLDS {
            self.load_missing(&facts).await?;
        }
        let mut sums = V::COUNTED.map(Sums::of);
        // what each row added to the sums before, and the last event that touched it
        let mut touched = BTreeMap::new();
        for (key, at, fact) in facts {
            if let Some(sums) = &mut sums
                && let Some(counted) = V::counts(&at, &fact)
            {
                sums.add(&counted, 1, at.position);
            }
            if !V::touches(&fact) {
                continue;
            }
            let row = self.cache.entry(key, || None);
            let added = || if V::COUNTED.is_some() { row.as_ref().and_then(V::adds) } else { None };
            let (_, last) = touched.entry(key).or_insert_with(|| (added(), at.position));
            *last = at.position;
            V::apply(row, &at, fact);
        }
        let rollups = match sums {
            Some(sums) => self.add_up(sums, &touched).await?,
            None => Vec::new(),
        };
        let rows: Vec<&V::Row> =
            touched.keys().filter_map(|key| self.cache.get(key).and_then(Option::as_ref)).collect();
        self.store.commit(step, &rows, &rollups).await
    }

    /// The changed sums, with their new values.
    async fn add_up(
        &mut self,
        mut sums: Sums,
        touched: &BTreeMap<<V::Row as Row>::Key, (Option<Contribution>, Position)>,
    ) -> Result<Vec<Rollup>, StoreUnavailable> {
        for (key, (before, last)) in touched {
            let after = self.cache.get(key).and_then(Option::as_ref).and_then(V::adds);
            if *before != after {
                before.iter().for_each(|before| sums.add(before, -1, *last));
                after.iter().for_each(|after| sums.add(after, 1, *last));
            }
        }
        let changes = sums.changes();
        let missing: Vec<_> = changes.keys().filter(|key| !self.rollups.contains(key)).copied().collect();
        if !missing.is_empty() {
            for rollup in self.sums.load_rollups(self.generation, &missing).await? {
                self.rollups.entry(rollup.key, || rollup.counts);
            }
        }
        let apply = |(key, Change { position, by })| {
            let counts = self.rollups.entry(key, Counts::default);
            counts.add(&by, 1);
            Rollup { key, position, counts: counts.clone() }
        };
        Ok(changes.into_iter().map(apply).collect())
    }

    async fn load_missing(&mut self, facts: &[KeyedFact<V>]) -> Result<(), StoreUnavailable> {
        let mut seen = HashSet::new();
        let mut missing = Vec::new();
        for (key, at, fact) in facts {
            let begins = V::ONE_STREAM && at.version.0 == 1;
            if V::touches(fact) && seen.insert(*key) && !begins && !self.cache.contains(key) {
                missing.push(*key);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        for row in self.store.load(self.generation, &missing).await? {
            let key = row.key();
            self.cache.entry(key, || Some(row));
        }
        Ok(())
    }
}
