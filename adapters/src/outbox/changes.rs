//! Reduces a batch of changes to its net effect, so that few statements can write it.

use std::collections::{BTreeMap, BTreeSet};

use domain::call::Timer;
use domain::ports::outbox::{OutboxItem, TimerItem, WorkChange};
use uuid::Uuid;

/// The net effect of the changes in their order: first all removals apply, then all additions.
#[derive(Debug, Default)]
pub(crate) struct Net<'c> {
    /// Calls of which everything is removed.
    pub(crate) closed: BTreeSet<Uuid>,
    /// Effects to remove from the outbox.
    pub(crate) done: BTreeSet<Uuid>,
    /// Timers to remove, by subject and kind.
    pub(crate) disarmed: BTreeSet<(Uuid, &'static str)>,
    /// Effects to add unless they exist.
    pub(crate) effects: BTreeMap<Uuid, &'c OutboxItem>,
    /// Timers to set; each replaces an existing one.
    pub(crate) timers: BTreeMap<(Uuid, &'static str), &'c TimerItem>,
}

impl<'c> Net<'c> {
    pub(crate) fn of(changes: &'c [WorkChange]) -> Self {
        let mut net = Self::default();
        for change in changes {
            net.take(change);
        }
        net
    }

    fn take(&mut self, change: &'c WorkChange) {
        match change {
            WorkChange::Do(item) => {
                self.effects.entry(item.effect_id).or_insert(item);
            }
            WorkChange::Done(effect_id) => {
                self.effects.remove(effect_id);
                self.done.insert(*effect_id);
            }
            WorkChange::Arm(item) => {
                self.timers.insert(timer_key(item.subject, item.timer), item);
            }
            WorkChange::Disarm(call, timer) => {
                self.timers.remove(&timer_key(*call, *timer));
                self.disarmed.insert(timer_key(*call, *timer));
            }
            WorkChange::Close(call) => {
                self.effects.retain(|_, item| item.subject != *call);
                self.timers.retain(|_, item| item.subject != *call);
                self.closed.insert(*call);
            }
        }
    }
}

fn timer_key(subject: Uuid, timer: Timer) -> (Uuid, &'static str) {
    (subject, timer.as_str())
}
