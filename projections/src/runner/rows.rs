//! Applies facts to rows and commits them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use domain::ports::StoreUnavailable;

use super::cache::Cache;
use crate::store::{CommitError, Generation, Step, ViewRows};
use crate::view::{At, Row, View};

/// How many rows of a view are kept in memory: with a kilobyte each, some tens of megabytes at most.
const CACHED_ROWS: usize = 40_000;

/// A fact and the row it belongs to.
pub(super) type Addressed<V> = (<<V as View>::Row as Row>::Key, At, <V as View>::Fact);

/// The rows of one generation.
pub(super) struct Rows<V: View> {
    store: Arc<dyn ViewRows<V::Row>>,
    generation: Generation,
    cache: Cache<<V::Row as Row>::Key, Option<V::Row>>,
}

impl<V: View> Rows<V> {
    pub(super) fn new(store: Arc<dyn ViewRows<V::Row>>, generation: Generation) -> Self {
        Self { store, generation, cache: Cache::new(CACHED_ROWS) }
    }

    /// Applies facts in order and commits the rows they change; answers whether the generation became active.
    /// After a failure nothing is remembered: it may be tried again from the stored checkpoint.
    pub(super) async fn commit(
        &mut self,
        step: &Step,
        facts: Vec<Addressed<V>>,
    ) -> Result<bool, CommitError> {
        let done = self.try_commit(step, facts).await;
        if done.is_err() || !V::FOLDS {
            self.cache.clear();
        }
        self.cache.trim();
        done
    }

    async fn try_commit(&mut self, step: &Step, facts: Vec<Addressed<V>>) -> Result<bool, CommitError> {
        if V::FOLDS {
            self.load_missing(&facts).await?;
        }
        let mut touched = BTreeSet::new();
        for (key, at, fact) in facts {
            V::apply(self.cache.entry(key, || None), &at, fact);
            touched.insert(key);
        }
        let rows: Vec<&V::Row> =
            touched.iter().filter_map(|key| self.cache.get(key).and_then(Option::as_ref)).collect();
        self.store.commit(step, &rows).await
    }

    async fn load_missing(&mut self, facts: &[Addressed<V>]) -> Result<(), StoreUnavailable> {
        let mut seen = HashSet::new();
        let mut missing = Vec::new();
        for (key, at, _) in facts {
            let begins = V::ONE_STREAM && at.version.0 == 1;
            if seen.insert(*key) && !begins && !self.cache.contains(key) {
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
