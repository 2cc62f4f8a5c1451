//! Idempotency keys in memory: the fake the suite runs on first.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::idempotency::{Ask, Begun, Finished, IdempotencyKeys, KeyName, Reservation};
use domain::ports::vault::Sealed;

#[derive(Debug)]
struct Row {
    request: [u8; 32],
    seed: Uuid,
    /// `None` once the reservation is released.
    until: Option<Time>,
    answer: Option<Sealed>,
    expires_at: Time,
}

/// The keys of one process.
#[derive(Debug, Default)]
pub struct MemoryIdempotency(Mutex<BTreeMap<KeyName, Row>>);

impl MemoryIdempotency {
    /// Number of keys that are remembered, expired ones included.
    pub fn count(&self) -> usize {
        self.rows().len()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<KeyName, Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl IdempotencyKeys for MemoryIdempotency {
    async fn begin(&self, ask: &Ask) -> Result<Begun, StoreUnavailable> {
        let until = ask.now + ask.lock_for;
        let fresh = Row {
            request: ask.request,
            seed: ask.seed,
            until: Some(until),
            answer: None,
            expires_at: ask.now + ask.keep_for,
        };
        let reserved = |seed| Reservation { key: ask.key, seed, until };
        Ok(match self.rows().entry(ask.key) {
            Entry::Vacant(free) => {
                free.insert(fresh);
                Begun::Fresh(reserved(ask.seed))
            }
            Entry::Occupied(mut row) if row.get().expires_at <= ask.now => {
                row.insert(fresh);
                Begun::Fresh(reserved(ask.seed))
            }
            Entry::Occupied(mut row) => match row.get_mut() {
                row if row.request != ask.request => Begun::Reused,
                Row { answer: Some(answer), .. } => Begun::Done(answer.clone()),
                row if row.until.is_some_and(|held| held > ask.now && held <= until + ask.lock_for) => {
                    Begun::InFlight
                }
                row => {
                    row.until = Some(until);
                    Begun::TakenOver(reserved(row.seed))
                }
            },
        })
    }

    async fn finish(&self, held: &Reservation, answer: &Sealed) -> Result<Finished, StoreUnavailable> {
        Ok(match self.rows().get_mut(&held.key) {
            Some(row) if row.seed == held.seed => match &row.answer {
                Some(before) => Finished::Before(before.clone()),
                None => {
                    row.answer = Some(answer.clone());
                    Finished::Kept
                }
            },
            _ => Finished::Forgotten,
        })
    }

    async fn release(&self, held: &Reservation) -> Result<(), StoreUnavailable> {
        if let Some(row) = self.rows().get_mut(&held.key)
            && (row.seed, row.until) == (held.seed, Some(held.until))
        {
            row.until = None;
        }
        Ok(())
    }

    async fn free(&self, held: &Reservation) -> Result<(), StoreUnavailable> {
        let mut rows = self.rows();
        let own = |row: &Row| (row.seed, row.until) == (held.seed, Some(held.until)) && row.answer.is_none();
        if rows.get(&held.key).is_some_and(own) {
            rows.remove(&held.key);
        }
        Ok(())
    }

    async fn release_all(&self) -> Result<u64, StoreUnavailable> {
        let mut rows = self.rows();
        let held = rows.values_mut().filter(|row| row.answer.is_none());
        Ok(held.filter_map(|row| row.until.take()).count() as u64)
    }

    async fn forget_answers(&self, client: ClientId) -> Result<u64, StoreUnavailable> {
        let mut rows = self.rows();
        let mut forgotten = 0;
        for (_, row) in rows.iter_mut().filter(|(key, row)| key.client == client && row.answer.is_some()) {
            (row.answer, row.until) = (None, None);
            forgotten += 1;
        }
        Ok(forgotten)
    }

    async fn expire(&self, now: Time, limit: u32) -> Result<u64, StoreUnavailable> {
        let mut rows = self.rows();
        let due = rows.iter().filter(|(_, row)| row.expires_at <= now).map(|(key, _)| *key);
        let due: Vec<_> = due.take(limit as usize).collect();
        due.iter().for_each(|key| drop(rows.remove(key)));
        Ok(due.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::idempotency::Subject;

    async fn fresh() -> Subject {
        Subject { keys: Arc::new(super::MemoryIdempotency::default()), keep: Box::new(()) }
    }

    crate::idempotency_suite!(super::fresh);
}
