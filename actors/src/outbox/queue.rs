//! The queue of effects of the node that holds the lease: in memory while they are few, otherwise in the store alone.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::envelope::{Position, Time};
use domain::ports::StoreUnavailable;
use domain::ports::outbox::{OutboxItem, OutboxStore, WorkChange};
use uuid::Uuid;

use super::pending::PendingEffects;

/// The most effects kept in memory, at some 400 bytes each. While more wait, the store is asked for those due.
const MOST: usize = 50_000;

/// Effects that wait, are being performed, or are finished and not removed from the store yet.
pub(super) struct EffectQueue {
    store: Arc<dyn OutboxStore>,
    state: parking_lot::Mutex<State>,
    /// Held while rows are read to be kept in memory, and while rows are changed other than by following the log.
    rows: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Position up to which the log was followed.
    followed: Position,
    begun: HashSet<Uuid>,
    /// Finished effects whose rows are still stored, with the position of the outcome in the log. An outcome
    /// removes the row when it is followed; of the others the row is removed by itself.
    finished: HashMap<Uuid, Position>,
    /// `None` while more wait than are kept in memory.
    pending: Option<PendingEffects>,
}

impl State {
    /// Begins up to `limit` effects from memory; `None` while they are in the store alone.
    fn begin(&mut self, now: Time, limit: usize) -> Option<Vec<OutboxItem>> {
        let due = self.pending.as_mut()?.begin(now, limit);
        self.begun.extend(due.iter().map(|item| item.effect_id));
        Some(due)
    }
}

impl fmt::Debug for EffectQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EffectQueue").finish_non_exhaustive()
    }
}

impl EffectQueue {
    pub(super) fn new(store: Arc<dyn OutboxStore>) -> Self {
        Self { store, state: Default::default(), rows: Default::default() }
    }

    /// Reads the stored effects into memory, if they are few enough. Only the task that follows the log may call it,
    /// so that no change is missed in between. `followed` is how far the store has followed the log.
    pub(super) async fn load(&self, followed: Position) -> Result<(), StoreUnavailable> {
        let _rows = self.rows.lock().await;
        let mut stored = self.store.effects(MOST + 1).await?;
        let mut state = self.state.lock();
        state.followed = followed;
        state.pending = (stored.len() <= MOST).then(|| {
            stored.retain(|item| !state.finished.contains_key(&item.effect_id));
            PendingEffects::of(stored, |effect_id| state.begun.contains(effect_id))
        });
        Ok(())
    }

    /// Whether the effects are in the store alone, because there were too many.
    pub(super) fn is_in_store_only(&self) -> bool {
        self.state.lock().pending.is_none()
    }

    /// Takes over the changes that were committed to the store with the checkpoint `to`.
    pub(super) fn follow(&self, changes: &[WorkChange], to: Position) {
        let mut state = self.state.lock();
        let State { followed, finished, pending, .. } = &mut *state;
        *followed = to;
        for change in changes {
            if let WorkChange::Done(effect_id) = change {
                finished.remove(effect_id);
            }
            if let Some(pending) = pending {
                pending.apply(change);
            }
        }
        if pending.as_ref().is_some_and(|pending| pending.len() > MOST) {
            *pending = None;
        }
    }

    /// Begins up to `limit` effects that are due at `now`, longest due first.
    pub(super) async fn begin(&self, now: Time, limit: usize) -> Result<Vec<OutboxItem>, StoreUnavailable> {
        let known: HashSet<Uuid> = {
            let mut state = self.state.lock();
            if let Some(due) = state.begin(now, limit) {
                return Ok(due);
            }
            state.begun.iter().chain(state.finished.keys()).copied().collect()
        };
        let mut due = self.store.due_effects(now, limit + known.len()).await?;
        let mut state = self.state.lock();
        // the rows may have been read into memory meanwhile, and an effect that was begun may have been finished
        if let Some(due) = state.begin(now, limit) {
            return Ok(due);
        }
        due.retain(|item| !known.contains(&item.effect_id) && state.begun.insert(item.effect_id));
        Ok(due)
    }

    /// When the next effect is due after `seen`, at which moment those due were begun.
    pub(super) async fn next_due(&self, seen: Time) -> Option<Time> {
        if let Some(pending) = &self.state.lock().pending {
            return pending.next_due();
        }
        self.store.next_effect().await.ok().flatten().filter(|due| *due > seen)
    }

    /// Notes that an effect is finished; `outcome` is the position of the event that says so, if one was written.
    pub(super) fn finish(&self, effect_id: Uuid, outcome: Option<Position>) {
        let mut state = self.state.lock();
        state.begun.remove(&effect_id);
        let stored = state.pending.as_mut().is_none_or(|pending| pending.remove(effect_id));
        if stored {
            state.finished.insert(effect_id, outcome.unwrap_or(Position::START));
        }
    }

    /// Lets an effect wait until `due` after a failed attempt; `why` holds no personal data. When the row cannot be
    /// written the effect stays begun: a node that is cut off from its database must not go on trying.
    pub(super) async fn postpone(
        &self,
        effect_id: Uuid,
        due: Time,
        attempts: u32,
        why: &str,
    ) -> Result<(), StoreUnavailable> {
        let _rows = self.rows.lock().await;
        self.store.postpone(effect_id, due, attempts, why).await?;
        let mut state = self.state.lock();
        state.begun.remove(&effect_id);
        if let Some(pending) = &mut state.pending {
            pending.postpone(effect_id, due, attempts);
        }
        Ok(())
    }

    /// Removes the rows of finished effects that no event in the log removes.
    pub(super) async fn remove_finished(&self) -> Result<(), StoreUnavailable> {
        let finished: Vec<Uuid> = {
            let state = self.state.lock();
            let followed = state.finished.iter().filter(|(_, outcome)| **outcome <= state.followed);
            followed.map(|(effect_id, _)| *effect_id).collect()
        };
        if finished.is_empty() {
            return Ok(());
        }
        let _rows = self.rows.lock().await;
        self.store.finish(&finished).await?;
        let mut state = self.state.lock();
        for effect_id in finished {
            state.finished.remove(&effect_id);
        }
        Ok(())
    }

    /// Moves all due times by `by`, as those in the store were moved.
    pub(super) fn shift(&self, by: TimeDelta) {
        if let Some(pending) = &mut self.state.lock().pending {
            pending.shift(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use conformance::fakes::outbox::MemoryWork;
    use domain::call::Work;
    use domain::ids::ClientId;
    use domain::ports::lease::{Lease, Leases as _};
    use domain::ports::outbox::Cause;

    use super::*;

    fn id(n: usize) -> Uuid {
        Uuid::from_u128(n as u128)
    }

    fn check_leg(n: usize) -> OutboxItem {
        OutboxItem {
            effect_id: id(n),
            subject: id(n),
            client: ClientId(id(1)),
            work: Work::CheckLeg,
            due: Time::UNIX_EPOCH,
            attempts: 0,
            position: Position(n as u64),
            cause: Cause { event_id: id(2), correlation_id: id(3), traceparent: None },
        }
    }

    struct Node {
        store: Arc<MemoryWork>,
        lease: Lease,
        queue: EffectQueue,
        at: Position,
    }

    impl Node {
        async fn new() -> Self {
            let store = Arc::new(MemoryWork::default());
            let lease = store.acquire("work", "one", Default::default()).await.unwrap().unwrap();
            let queue = EffectQueue::new(store.clone());
            queue.load(Position::START).await.unwrap();
            Self { store, lease, queue, at: Position::START }
        }

        async fn commit(&mut self, changes: &[WorkChange]) {
            let to = self.at.plus(1);
            self.store.commit(&self.lease, self.at, to.into(), changes).await.unwrap();
            self.queue.follow(changes, to);
            self.at = to;
        }

        async fn begin(&self, limit: usize) -> Vec<Uuid> {
            let begun = self.queue.begin(Time::UNIX_EPOCH, limit).await.unwrap();
            begun.iter().map(|item| item.effect_id).collect()
        }

        async fn stored(&self) -> usize {
            self.store.effects(usize::MAX).await.unwrap().len()
        }
    }

    #[tokio::test]
    async fn the_row_of_a_finished_effect_is_removed_by_its_outcome_or_else_by_itself() {
        let mut node = Node::new().await;
        node.commit(&[WorkChange::Do(check_leg(1)), WorkChange::Do(check_leg(2))]).await;
        assert_eq!(node.begin(9).await, [id(1), id(2)]);
        node.queue.finish(id(1), Some(Position(2)));
        node.queue.finish(id(2), None);
        node.queue.remove_finished().await.unwrap();
        assert_eq!(node.stored().await, 1, "the log does not tell yet how the first ended");
        assert!(node.begin(9).await.is_empty());
        node.commit(&[WorkChange::Done(id(1))]).await;
        assert_eq!(node.stored().await, 0);
        node.queue.load(node.at).await.unwrap();
        assert!(node.begin(9).await.is_empty());
    }

    #[tokio::test]
    async fn an_effect_is_not_begun_again_when_the_rows_are_read_anew() {
        let mut node = Node::new().await;
        node.commit(&[1, 2, 3].map(|n| WorkChange::Do(check_leg(n)))).await;
        assert_eq!(node.begin(2).await, [id(1), id(2)]);
        node.queue.finish(id(1), Some(Position(9)));
        node.queue.load(node.at).await.unwrap();
        assert_eq!(node.begin(9).await, [id(3)]);
    }

    #[tokio::test]
    async fn more_effects_than_fit_in_memory_are_begun_from_the_store() {
        let mut node = Node::new().await;
        let many: Vec<_> = (1..=MOST + 2).map(|n| WorkChange::Do(check_leg(n))).collect();
        node.commit(&many).await;
        assert!(node.queue.is_in_store_only());
        assert_eq!(node.begin(2).await, [id(1), id(2)]);
        node.queue.finish(id(1), None);
        assert_eq!(node.begin(2).await, [id(3), id(4)]);
        node.queue.remove_finished().await.unwrap();
        assert_eq!(node.stored().await, MOST + 1);
        node.commit(&[WorkChange::Done(id(2))]).await;
        node.queue.load(node.at).await.unwrap();
        assert!(!node.queue.is_in_store_only());
        assert_eq!(node.begin(1).await, [id(5)], "the third and fourth are being performed");
    }
}
