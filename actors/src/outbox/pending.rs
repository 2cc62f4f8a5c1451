//! The effects of the outbox in memory, so that deciding what to perform next costs no query.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use domain::envelope::{Position, Time};
use domain::ports::outbox::{OutboxItem, WorkChange};
use uuid::Uuid;

/// Effects in the order in which they are performed: longest due first, then as the log has them.
type ByDue = (Time, Position, Uuid);

/// Every effect that is in the store and not finished. It follows the same changes as the store, in the same order.
#[derive(Debug, Default)]
pub(super) struct PendingEffects {
    effects: HashMap<Uuid, Effect>,
    /// Effects that are not begun and wait for nothing but their time.
    free: BTreeSet<ByDue>,
    /// The ordered effects of a subject: only the first of them may be free or begun.
    ordered: HashMap<Uuid, BTreeSet<(Position, Uuid)>>,
    /// Subject and id of every effect.
    of_subject: BTreeSet<(Uuid, Uuid)>,
}

#[derive(Debug)]
struct Effect {
    item: OutboxItem,
    begun: bool,
}

impl Effect {
    fn by_due(&self) -> ByDue {
        (self.item.due, self.item.position, self.item.effect_id)
    }
}

impl PendingEffects {
    /// The effects as they are stored; `is_begun` tells which of them are being performed.
    pub(super) fn of(stored: Vec<OutboxItem>, is_begun: impl Fn(&Uuid) -> bool) -> Self {
        let mut pending = Self::default();
        for item in stored {
            let begun = is_begun(&item.effect_id);
            pending.add(item, begun);
        }
        pending
    }

    pub(super) fn len(&self) -> usize {
        self.effects.len()
    }

    /// Follows a change that was committed to the store.
    pub(super) fn apply(&mut self, change: &WorkChange) {
        match change {
            WorkChange::Do(item) => {
                if !self.effects.contains_key(&item.effect_id) {
                    self.add(item.clone(), false);
                }
            }
            WorkChange::Done(effect_id) => {
                self.remove(*effect_id);
            }
            WorkChange::Close(subject) => {
                let all = (*subject, Uuid::nil())..=(*subject, Uuid::max());
                let closed: Vec<Uuid> = self.of_subject.range(all).map(|(_, effect_id)| *effect_id).collect();
                for effect_id in closed {
                    self.remove(effect_id);
                }
            }
            WorkChange::Arm(_) | WorkChange::Disarm(..) => {}
        }
    }

    /// Begins up to `limit` effects that are due at `now`, longest due first.
    pub(super) fn begin(&mut self, now: Time, limit: usize) -> Vec<OutboxItem> {
        let mut begun = Vec::new();
        while begun.len() < limit
            && let Some(first) = self.free.first().filter(|(due, ..)| *due <= now).copied()
        {
            self.free.remove(&first);
            if let Some(effect) = self.effects.get_mut(&first.2) {
                effect.begun = true;
                begun.push(effect.item.clone());
            }
        }
        begun
    }

    /// When the next effect is due that waits for nothing else.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.free.first().map(|(due, ..)| *due)
    }

    /// Lets an effect wait until `due` after a failed attempt. Nothing happens when it was removed meanwhile.
    pub(super) fn postpone(&mut self, effect_id: Uuid, due: Time, attempts: u32) {
        let Some(effect) = self.effects.get_mut(&effect_id) else { return };
        effect.begun = false;
        (effect.item.due, effect.item.attempts) = (due, attempts);
        let (subject, ordered) = (effect.item.subject, effect.item.work.is_ordered());
        match ordered {
            true => self.free_first(subject),
            false => drop(self.free.insert(effect.by_due())),
        }
    }

    /// Removes an effect; answers whether it was there.
    pub(super) fn remove(&mut self, effect_id: Uuid) -> bool {
        let Some(effect) = self.effects.remove(&effect_id) else { return false };
        let item = &effect.item;
        self.free.remove(&effect.by_due());
        self.of_subject.remove(&(item.subject, effect_id));
        if item.work.is_ordered()
            && let Some(line) = self.ordered.get_mut(&item.subject)
        {
            line.remove(&(item.position, effect_id));
            match line.is_empty() {
                true => drop(self.ordered.remove(&item.subject)),
                false => self.free_first(item.subject),
            }
        }
        true
    }

    /// Moves all due times by `by`; below zero: back.
    pub(super) fn shift(&mut self, by: TimeDelta) {
        for effect in self.effects.values_mut() {
            effect.item.due += by;
        }
        self.free =
            self.free.iter().map(|(due, position, effect_id)| (*due + by, *position, *effect_id)).collect();
    }

    fn add(&mut self, item: OutboxItem, begun: bool) {
        let (subject, ordered) = (item.subject, item.work.is_ordered());
        let effect = Effect { item, begun };
        let (by_due, position, effect_id) = (effect.by_due(), effect.item.position, effect.item.effect_id);
        self.of_subject.insert((subject, effect_id));
        self.effects.insert(effect_id, effect);
        if ordered {
            let line = self.ordered.entry(subject).or_default();
            let first = line.first().copied();
            line.insert((position, effect_id));
            // an earlier one takes the place of the one that was first
            if let Some((_, before)) = first.filter(|first| *first > (position, effect_id))
                && let Some(before) = self.effects.get(&before)
            {
                self.free.remove(&before.by_due());
            }
            self.free_first(subject);
        } else if !begun {
            self.free.insert(by_due);
        }
    }

    /// Frees the first ordered effect of a subject, unless it is begun.
    fn free_first(&mut self, subject: Uuid) {
        let first = self.ordered.get(&subject).and_then(|line| line.first());
        if let Some(effect) = first.and_then(|(_, effect_id)| self.effects.get(effect_id))
            && !effect.begun
        {
            self.free.insert(effect.by_due());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use conformance::fakes::outbox::MemoryWork;
    use domain::call::Work;
    use domain::call::terms::CommandKind;
    use domain::ids::ClientId;
    use domain::ports::lease::Leases as _;
    use domain::ports::outbox::{Cause, OutboxStore as _};
    use futures::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Commit(Vec<WorkChange>),
        Begin { at: i64, limit: usize },
        Finish(u8),
        Postpone { effect: u8, due: i64 },
        Shift(i64),
    }

    /// The store in memory never waits.
    fn block_on<T>(work: impl Future<Output = T>) -> T {
        work.now_or_never().unwrap()
    }

    fn id(n: u8) -> Uuid {
        Uuid::from_u128(u128::from(n))
    }

    fn time(seconds: i64) -> Time {
        Time::from_timestamp(1_000_000 + seconds, 0).unwrap()
    }

    fn change() -> impl Strategy<Value = WorkChange> {
        let item = (0..8_u8, 0..3_u8, 0..20_i64, 0..4_u64);
        prop_oneof![
            4 => item.prop_map(|(effect, subject, due, position)| {
                let work = [Work::Command(CommandKind::Speak), Work::Command(CommandKind::Answer), Work::CheckLeg];
                WorkChange::Do(OutboxItem {
                    effect_id: id(effect),
                    subject: id(100 + subject),
                    client: ClientId(id(1)),
                    work: work[usize::from(effect + subject) % 3],
                    due: time(due),
                    attempts: 0,
                    position: Position(position),
                    cause: Cause { event_id: id(2), correlation_id: id(3), traceparent: None },
                })
            }),
            2 => (0..8_u8).prop_map(|effect| WorkChange::Done(id(effect))),
            1 => (0..3_u8).prop_map(|subject| WorkChange::Close(id(100 + subject))),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => prop::collection::vec(change(), 0..5).prop_map(Step::Commit),
            3 => (0..40_i64, 0..4_usize).prop_map(|(at, limit)| Step::Begin { at, limit }),
            2 => (0..8_u8).prop_map(Step::Finish),
            2 => (0..8_u8, 0..30_i64).prop_map(|(effect, due)| Step::Postpone { effect, due }),
            1 => (-5..5_i64).prop_map(Step::Shift),
        ]
    }

    proptest! {
        #[test]
        fn memory_begins_what_the_store_would_tell(steps in prop::collection::vec(step(), 0..40)) {
            let store = MemoryWork::default();
            let lease = block_on(store.acquire("work", "one", Default::default())).unwrap().unwrap();
            let (mut pending, mut begun, mut at) = (PendingEffects::default(), HashSet::new(), Position::START);
            for step in steps {
                match step {
                    Step::Commit(changes) => {
                        for change in changes {
                            pending.apply(&change);
                            block_on(store.commit(&lease, at, at.plus(1).into(), &[change])).unwrap();
                            at = at.plus(1);
                            let stored = block_on(store.effects(99)).unwrap();
                            begun.retain(|effect_id| stored.iter().any(|item| item.effect_id == *effect_id));
                        }
                    }
                    Step::Begin { at, limit } => {
                        let due = block_on(store.due_effects(time(at), 99)).unwrap();
                        let new = due.into_iter().filter(|item| !begun.contains(&item.effect_id));
                        let expected: Vec<_> = new.take(limit).collect();
                        let found = pending.begin(time(at), limit);
                        prop_assert_eq!(&found, &expected);
                        begun.extend(found.iter().map(|item| item.effect_id));
                    }
                    Step::Finish(effect) => {
                        block_on(store.finish(&[id(effect)])).unwrap();
                        pending.remove(id(effect));
                        begun.remove(&id(effect));
                    }
                    Step::Postpone { effect, due } if begun.remove(&id(effect)) => {
                        block_on(store.postpone(id(effect), time(due), 1, "")).unwrap();
                        pending.postpone(id(effect), time(due), 1);
                    }
                    Step::Postpone { .. } => {}
                    Step::Shift(by) => {
                        let by = TimeDelta::seconds(by);
                        block_on(store.shift(&lease, by)).unwrap();
                        pending.shift(by);
                    }
                }
                let mut open = block_on(store.due_effects(Time::MAX_UTC, 99)).unwrap();
                open.retain(|item| !begun.contains(&item.effect_id));
                prop_assert_eq!(pending.next_due(), open.first().map(|item| item.due));
                prop_assert_eq!(pending.len(), block_on(store.effects(99)).unwrap().len());
            }
        }
    }
}
