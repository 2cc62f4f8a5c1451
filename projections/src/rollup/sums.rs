//! The changes that a batch of facts makes to the sums.

use std::collections::BTreeMap;

use domain::envelope::Position;

use super::counts::{Contribution, Counted, Counts, RollupKey};

/// The change of one sum.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) position: Position,
    pub(crate) by: Counts,
}

/// Changes of sums, by their keys.
#[derive(Debug)]
pub(crate) struct Sums {
    counted: Counted,
    changes: BTreeMap<RollupKey, Change>,
}

impl Sums {
    pub(crate) fn of(counted: Counted) -> Self {
        Self { counted, changes: BTreeMap::new() }
    }

    /// Adds a contribution, because of the event at `position`; with `times` -1 takes it back.
    pub(crate) fn add(&mut self, contribution: &Contribution, times: i64, position: Position) {
        for key in contribution.keys(self.counted) {
            let change = self.changes.entry(key).or_insert(Change { position, by: Counts::default() });
            change.by.add(&contribution.counts, times);
            change.position = change.position.max(position);
        }
    }

    /// The changes that are not empty in the end.
    pub(crate) fn changes(mut self) -> BTreeMap<RollupKey, Change> {
        self.changes.retain(|_, change| !change.by.is_empty());
        self.changes
    }
}
