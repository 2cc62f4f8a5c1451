//! Work and leases in memory: the fake the suites run on first, and tests of other crates stand on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use uuid::Uuid;

use domain::call::Timer;
use domain::envelope::{EventRef, Position, Time};
use domain::ports::StoreUnavailable;
use domain::ports::lease::{Lease, Leases};
use domain::ports::outbox::{OutboxError, OutboxItem, OutboxStore, TimerItem, WorkChange, WorkStats};

#[derive(Debug, Default)]
struct Tables {
    checkpoint: EventRef,
    effects: BTreeMap<Uuid, OutboxItem>,
    timers: BTreeMap<(Uuid, &'static str), TimerItem>,
    leases: BTreeMap<String, Lease>,
}

/// The outbox, the timers and the leases of one process.
#[derive(Debug, Default)]
pub struct MemoryWork(Mutex<Tables>);

impl MemoryWork {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Leases for MemoryWork {
    async fn acquire(&self, job: &str, owner: &str, _: Duration) -> Result<Option<Lease>, StoreUnavailable> {
        let mut tables = self.tables();
        let epoch = tables.leases.get(job).map_or(1, |lease| lease.epoch + 1);
        let lease = Lease { job: job.to_owned(), owner: owner.to_owned(), epoch };
        tables.leases.insert(job.to_owned(), lease.clone());
        Ok(Some(lease))
    }

    async fn renew(&self, lease: &Lease, _: Duration) -> Result<bool, StoreUnavailable> {
        Ok(self.tables().leases.get(&lease.job) == Some(lease))
    }

    async fn release(&self, _: &Lease) -> Result<(), StoreUnavailable> {
        Ok(())
    }
}

#[async_trait]
impl OutboxStore for MemoryWork {
    async fn checkpoint(&self) -> Result<EventRef, StoreUnavailable> {
        Ok(self.tables().checkpoint)
    }

    async fn start_anew(&self) -> Result<(), StoreUnavailable> {
        let mut tables = self.tables();
        (tables.checkpoint, tables.effects, tables.timers) = Default::default();
        Ok(())
    }

    async fn commit(
        &self,
        lease: &Lease,
        expected: Position,
        to: EventRef,
        changes: &[WorkChange],
    ) -> Result<(), OutboxError> {
        let mut tables = self.tables();
        if tables.leases.get(&lease.job) != Some(lease) || tables.checkpoint.position != expected {
            return Err(OutboxError::Deposed);
        }
        tables.checkpoint = to;
        for change in changes {
            match change {
                WorkChange::Do(item) => {
                    tables.effects.entry(item.effect_id).or_insert_with(|| item.clone());
                }
                WorkChange::Done(effect_id) => {
                    tables.effects.remove(effect_id);
                }
                WorkChange::Arm(timer) => {
                    tables.timers.insert((timer.subject, timer.timer.as_str()), timer.clone());
                }
                WorkChange::Disarm(call, timer) => {
                    tables.timers.remove(&(*call, timer.as_str()));
                }
                WorkChange::Close(call) => {
                    tables.effects.retain(|_, item| item.subject != *call);
                    tables.timers.retain(|(of, _), _| of != call);
                }
            }
        }
        Ok(())
    }

    async fn due_effects(&self, now: Time, limit: usize) -> Result<Vec<OutboxItem>, StoreUnavailable> {
        let tables = self.tables();
        let waits = |item: &OutboxItem| {
            item.work.is_ordered()
                && tables.effects.values().any(|other| {
                    other.subject == item.subject
                        && other.work.is_ordered()
                        && (other.position, other.effect_id) < (item.position, item.effect_id)
                })
        };
        let mut due: Vec<_> =
            tables.effects.values().filter(|item| item.due <= now && !waits(item)).cloned().collect();
        due.sort_by_key(|item| (item.due, item.position, item.effect_id));
        due.truncate(limit);
        Ok(due)
    }

    async fn postpone(
        &self,
        effect_id: Uuid,
        due: Time,
        attempts: u32,
        _: &str,
    ) -> Result<(), StoreUnavailable> {
        if let Some(item) = self.tables().effects.get_mut(&effect_id) {
            item.due = due;
            item.attempts = attempts;
        }
        Ok(())
    }

    async fn effects(&self, limit: usize) -> Result<Vec<OutboxItem>, StoreUnavailable> {
        Ok(self.tables().effects.values().take(limit).cloned().collect())
    }

    async fn next_effect(&self) -> Result<Option<Time>, StoreUnavailable> {
        let due = self.due_effects(Time::MAX_UTC, usize::MAX).await?;
        Ok(due.first().map(|item| item.due))
    }

    async fn finish(&self, effect_ids: &[Uuid]) -> Result<(), StoreUnavailable> {
        self.tables().effects.retain(|effect_id, _| !effect_ids.contains(effect_id));
        Ok(())
    }

    async fn due_timers(&self, now: Time, limit: usize) -> Result<Vec<TimerItem>, StoreUnavailable> {
        let mut due: Vec<_> =
            self.tables().timers.values().filter(|timer| timer.due <= now).cloned().collect();
        due.sort_by_key(|timer| timer.due);
        due.truncate(limit);
        Ok(due)
    }

    async fn fired(&self, timer: &TimerItem) -> Result<(), StoreUnavailable> {
        let key: (Uuid, &'static str) = (timer.subject, Timer::as_str(timer.timer));
        let mut tables = self.tables();
        if tables.timers.get(&key).is_some_and(|set| set.due == timer.due) {
            tables.timers.remove(&key);
        }
        Ok(())
    }

    async fn next_timer(&self) -> Result<Option<Time>, StoreUnavailable> {
        Ok(self.tables().timers.values().map(|timer| timer.due).min())
    }

    async fn shift(&self, lease: &Lease, by: TimeDelta) -> Result<(), StoreUnavailable> {
        let mut tables = self.tables();
        if tables.leases.get(&lease.job) == Some(lease) {
            tables.effects.values_mut().for_each(|item| item.due += by);
            tables.timers.values_mut().for_each(|timer| timer.due += by);
        }
        Ok(())
    }

    async fn stats(&self, now: Time) -> Result<WorkStats, StoreUnavailable> {
        let tables = self.tables();
        let oldest_due = tables.effects.values().map(|item| item.due).filter(|due| *due <= now).min();
        Ok(WorkStats { effects: tables.effects.len() as u64, oldest_due, timers: tables.timers.len() as u64 })
    }
}
