//! Rows kept in memory between commits, so that the next event of a row need not load it again.

use std::collections::HashMap;
use std::hash::Hash;

/// A bounded cache in two halves. When the young half is full it becomes the old half, and entries that nobody
/// used since are dropped.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Copy + Eq + Hash, V> Cache<K, V> {
    /// A cache of about `capacity` entries.
    pub(super) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: capacity / 2 }
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    /// The entry with this key, made by `new` if there is none.
    pub(super) fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        let old = &mut self.old;
        self.young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_else(new))
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Drops old entries if the young half is full. Call it between commits, never while entries must stay.
    pub(super) fn trim(&mut self) {
        if self.young.len() > self.half {
            self.old = std::mem::take(&mut self.young);
        }
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_the_rest_goes() {
        let mut cache = Cache::new(4);
        for key in 0..3 {
            cache.entry(key, || key);
        }
        cache.trim();
        assert_eq!(*cache.entry(0, || 99), 0, "moved back from the old half");
        for key in 3..6 {
            cache.entry(key, || key);
        }
        cache.trim();
        assert!(cache.contains(&0) && cache.contains(&5));
        assert!(!cache.contains(&1), "nobody asked for it");
        assert_eq!(cache.get(&2), None);
    }
}
