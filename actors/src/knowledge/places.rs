//! Places for documents that are read and embedded at the same time, shared out between clients.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::Time;
use domain::ids::ClientId;
use lru::LruCache;
use parking_lot::Mutex;
use uuid::Uuid;

/// Longest pause of a document between two questions for a place.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A client that has not asked for so long waits no more.
const FORGOTTEN: Duration = Duration::from_secs(45);
/// Effects of which it is known how often they were tried; of others it begins anew.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Places for documents. A document has one at most, so that no step of it overtakes another. While others wait, a
/// client has at most half of them, and those that have waited longest come first.
#[derive(Debug, Clone)]
pub struct Places {
    count: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Documents that somebody is at.
    locked: HashSet<Uuid>,
    /// How many places each client has.
    held: HashMap<ClientId, usize>,
    /// Clients that asked in vain.
    waiting: HashMap<ClientId, Waiting>,
    /// How often each effect was tried.
    tried: LruCache<Uuid, Tried>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Instant,
    asked: Instant,
}

/// Attempts of an effect that had a place: those that waited for one are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) times: u32,
    /// When the first one began.
    pub(super) since: Time,
}

impl Places {
    /// So many places; at least one.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let state = State {
            locked: HashSet::new(),
            held: HashMap::new(),
            waiting: HashMap::new(),
            tried: LruCache::new(REMEMBERED),
        };
        Self { count: count.max(1), state: Arc::new(Mutex::new(state)) }
    }

    /// A place for the client's document until it is dropped; `None` while it is not the client's turn, or somebody is
    /// at the document.
    pub(super) fn take(&self, document: Uuid, client: ClientId, now: Instant) -> Option<Place> {
        let mut state = self.state.lock();
        if state.locked.contains(&document) {
            return None;
        }
        state.waiting.retain(|_, other| now.saturating_duration_since(other.asked) < FORGOTTEN);
        if !state.is_turn_of(client, self.count, now) {
            let waiting = state.waiting.entry(client).or_insert(Waiting { since: now, asked: now });
            waiting.asked = now;
            return None;
        }
        state.waiting.remove(&client);
        *state.held.entry(client).or_default() += 1;
        state.locked.insert(document);
        Some(Place { document, client: Some(client), state: self.state.clone() })
    }

    /// Keeps others from the document until it is dropped, without a place; `None` while somebody is at it.
    pub(super) fn lock(&self, document: Uuid) -> Option<Place> {
        let is_first = self.state.lock().locked.insert(document);
        is_first.then(|| Place { document, client: None, state: self.state.clone() })
    }

    /// How often the effect was tried; `None` if it never was, as far as this node knows.
    pub(super) fn tried(&self, effect_id: Uuid) -> Option<Tried> {
        self.state.lock().tried.get(&effect_id).copied()
    }

    /// Counts an attempt of the effect, which began at `now`.
    pub(super) fn count(&self, effect_id: Uuid, now: Time) {
        let mut state = self.state.lock();
        let before = state.tried.get(&effect_id).copied().unwrap_or(Tried { times: 0, since: now });
        state.tried.put(effect_id, Tried { times: before.times.saturating_add(1), ..before });
    }

    /// Forgets an effect that is over.
    pub(super) fn forget(&self, effect_id: Uuid) {
        self.state.lock().tried.pop(&effect_id);
    }
}

impl State {
    fn is_turn_of(&self, client: ClientId, count: usize, now: Instant) -> bool {
        let held = |client: &ClientId| self.held.get(client).copied().unwrap_or_default();
        let free = count.saturating_sub(self.held.values().sum());
        let others = || self.waiting.iter().filter(|(other, _)| **other != client);
        let share = if others().next().is_some() { (count / 2).max(1) } else { count };
        let since = self.waiting.get(&client).map_or(now, |waiting| waiting.since);
        let earlier =
            others().filter(|(other, waiting)| waiting.since < since && held(other) < share).count();
        held(&client) < share && free > earlier
    }
}

/// The right to work at a document.
#[derive(Debug)]
pub(super) struct Place {
    document: Uuid,
    /// Whose place it is; `None` of a mere lock.
    client: Option<ClientId>,
    state: Arc<Mutex<State>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.locked.remove(&self.document);
        let Some(client) = self.client else { return };
        if let Some(held) = state.held.get_mut(&client) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&client);
            }
        }
    }
}

/// Pause of a document that asked in vain `times` times: a second doubling to half a minute, less up to a quarter, spread
/// by the effect's id.
pub(super) fn pause(times: u32, effect_id: Uuid) -> Duration {
    let full = Duration::from_secs(1 << times.saturating_sub(1).min(5)).min(LONGEST_PAUSE);
    full - full * u32::from(effect_id.as_bytes()[15]) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ClientId = ClientId(Uuid::from_u128(101));
    const OTHER: ClientId = ClientId(Uuid::from_u128(102));
    const THIRD: ClientId = ClientId(Uuid::from_u128(103));

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn a_document_has_one_place_and_gives_it_back() {
        let (places, now) = (Places::new(2), Instant::now());
        let held = places.take(id(1), ONE, now);
        assert!(held.is_some() && places.take(id(1), ONE, now).is_none() && places.lock(id(1)).is_none());
        let other = places.take(id(2), ONE, now);
        assert!(other.is_some() && places.take(id(3), ONE, now).is_none(), "all are taken");
        drop(held);
        assert!(places.take(id(1), ONE, now).is_some());
    }

    #[test]
    fn a_lock_takes_no_place() {
        let (places, now) = (Places::new(1), Instant::now());
        let _held = places.take(id(1), ONE, now);
        let lock = places.lock(id(2));
        assert!(lock.is_some() && places.lock(id(2)).is_none());
        drop(lock);
        assert!(places.lock(id(2)).is_some() && places.take(id(3), ONE, now).is_none());
    }

    #[test]
    fn a_client_has_all_places_alone_and_half_of_them_while_another_waits() {
        let (places, now) = (Places::new(4), Instant::now());
        let mut held: Vec<_> = (1..=4).map(|n| places.take(id(n), ONE, now)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(id(9), OTHER, now).is_none());
        for _ in 0..2 {
            held.pop();
        }
        assert!(places.take(id(5), ONE, now).is_none(), "it has its half");
        assert!(places.take(id(9), OTHER, now).is_some());
    }

    #[test]
    fn a_client_with_many_documents_does_not_keep_one_with_a_single_one_from_the_only_place() {
        let (places, began) = (Places::new(1), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let held = places.take(id(1), ONE, at(0));
        assert!(places.take(id(2), ONE, at(1)).is_none() && places.take(id(9), OTHER, at(2)).is_none());
        drop(held);
        // it has waited longer, and then it is the other's turn however often it asks
        let held = places.take(id(2), ONE, at(3));
        assert!(held.is_some() && places.take(id(3), ONE, at(4)).is_none());
        drop(held);
        assert!((5..9).all(|n| places.take(id(3), ONE, at(n)).is_none()));
        assert!(places.take(id(8), THIRD, at(9)).is_none(), "later ones wait");
        assert!(places.take(id(9), OTHER, at(10)).is_some());
    }

    #[test]
    fn a_client_that_asks_no_more_holds_nobody_up() {
        let (places, now) = (Places::new(1), Instant::now());
        let held = places.take(id(1), ONE, now);
        assert!(places.take(id(9), OTHER, now).is_none());
        drop(held);
        let later = now + Duration::from_secs(1);
        assert!(places.take(id(2), ONE, later).is_none());
        assert!(places.take(id(2), ONE, now + FORGOTTEN).is_some());
    }

    #[test]
    fn attempts_are_counted_from_the_first_and_forgotten() {
        let (places, at) = (Places::new(1), |seconds| Time::from_timestamp(seconds, 0).unwrap());
        places.count(id(1), at(5));
        places.count(id(1), at(9));
        assert_eq!(places.tried(id(1)), Some(Tried { times: 2, since: at(5) }));
        places.forget(id(1));
        assert_eq!(places.tried(id(1)), None);
    }

    #[test]
    fn pauses_grow_to_half_a_minute_and_are_spread() {
        let pauses: Vec<_> = [1, 2, 3, 6, 7, u32::MAX].map(|times| pause(times, Uuid::nil())).into();
        assert!(pauses.is_sorted() && pauses[0] == Duration::from_secs(1), "{pauses:?}");
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert!(
            pause(1, id(0xff)) < Duration::from_secs(1) && pause(1, id(0xff)) > Duration::from_millis(700)
        );
    }
}
