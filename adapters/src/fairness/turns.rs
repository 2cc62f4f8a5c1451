//! A semaphore that serves its waiting senders fairly.

use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::lanes::Lanes;

/// How many turns there are, and how many senders may wait for one.
#[derive(Debug, Clone, Copy)]
pub struct TurnsLimits {
    /// Turns that may be held at once, at least one.
    pub at_once: usize,
    /// Senders that may wait; beyond it, the newest of the key with most waiting is refused.
    pub waiting: usize,
    /// The longest time that a sender waits.
    pub patience: Duration,
}

/// No turn came in time, or too many senders wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much is under way")]
pub struct Busy;

/// Permits to use something scarce. Waiting senders `K` are served in turn, however many requests each of them brings.
#[derive(Debug)]
pub struct Turns<K: Eq + Hash + Clone> {
    state: Mutex<State<K>>,
    patience: Duration,
    most_waiting: usize,
}

#[derive(Debug)]
struct State<K: Eq + Hash + Clone> {
    at_once: usize,
    held: usize,
    /// The most turns held at once since the limit was last set.
    peak: usize,
    /// Senders that still wait; some in the lanes may have given up.
    waiting: usize,
    lanes: Lanes<K, Waiter<K>>,
}

#[derive(Debug)]
struct Waiter<K: Eq + Hash + Clone> {
    since: Instant,
    turn: oneshot::Sender<Turn<K>>,
}

/// A permit; dropping it gives the turn back.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash + Clone> {
    of: Option<Arc<Turns<K>>>,
}

/// Counts a sender as long as it waits.
struct Waiting<'a, K: Eq + Hash + Clone>(&'a Turns<K>);

impl<K: Eq + Hash + Clone> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        self.0.state.lock().waiting -= 1;
    }
}

impl<K: Eq + Hash + Clone> Turns<K> {
    #[must_use]
    pub fn new(limits: TurnsLimits) -> Self {
        let state =
            State { at_once: limits.at_once.max(1), held: 0, peak: 0, waiting: 0, lanes: Lanes::default() };
        Self { state: Mutex::new(state), patience: limits.patience, most_waiting: limits.waiting }
    }

    /// Waits for a turn for `key`, whose lane gets `share` turns in a round. Cancel-safe. Fails with [`Busy`] when
    /// none comes in time, or too many wait already.
    pub async fn take(self: &Arc<Self>, key: &K, share: usize) -> Result<Turn<K>, Busy> {
        let turn = match self.enter(key, share)? {
            Entered::Now(turn) => return Ok(turn),
            Entered::Later(turn) => turn,
        };
        let _waiting = Waiting(self);
        match tokio::time::timeout(self.patience, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            // refused in favour of a key with fewer waiting, or out of patience
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }

    fn enter(self: &Arc<Self>, key: &K, share: usize) -> Result<Entered<K>, Busy> {
        let mut state = self.state.lock();
        if state.held < state.at_once && state.waiting == 0 {
            return Ok(Entered::Now(state.hold(self)));
        }
        state.lanes.drop_oldest_while(key, |oldest| oldest.turn.is_closed());
        let mut full = state.waiting >= self.most_waiting;
        while full {
            let fullest = state.lanes.fullest(false);
            let fullest =
                fullest.filter(|(_, size)| *size > state.lanes.of(key).0 + 1).map(|(key, _)| key.clone());
            // the refused sender notices that its channel closed, and decrements the count itself
            let pushed_out = state.lanes.pop_newest_of(&fullest.ok_or(Busy)?);
            full = pushed_out.is_none_or(|waiter| waiter.turn.is_closed());
        }
        let (give, turn) = oneshot::channel();
        state.lanes.push(key.clone(), share, 1, Waiter { since: Instant::now(), turn: give });
        state.waiting += 1;
        // a turn may have become free since the others began to wait
        state.give(self);
        Ok(Entered::Later(turn))
    }

    /// Changes how many turns may be held at once. Turns already held are not revoked.
    pub fn set_at_once(self: &Arc<Self>, at_once: usize) {
        let mut state = self.state.lock();
        state.at_once = at_once.max(1);
        state.peak = state.held;
        state.give(self);
    }

    #[must_use]
    pub fn use_now(&self) -> InUse {
        let state = self.state.lock();
        InUse { held: state.held, at_once: state.at_once, peak: state.peak, waiting: state.waiting }
    }
}

/// Current use of the turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    pub held: usize,
    pub at_once: usize,
    /// The most turns held at once since `at_once` was last set.
    pub peak: usize,
    /// Number of senders that wait.
    pub waiting: usize,
}

enum Entered<K: Eq + Hash + Clone> {
    Now(Turn<K>),
    Later(oneshot::Receiver<Turn<K>>),
}

impl<K: Eq + Hash + Clone> State<K> {
    fn hold(&mut self, of: &Arc<Turns<K>>) -> Turn<K> {
        self.held += 1;
        self.peak = self.peak.max(self.held);
        Turn { of: Some(of.clone()) }
    }

    /// Gives free turns to the waiting senders.
    fn give(&mut self, of: &Arc<Turns<K>>) {
        while self.held < self.at_once {
            // once a lane's oldest sender has waited half as long as it may, its newest is served first: the newest
            // can still be answered in time, so that not all are answered too late
            let Some(next) = self.lanes.pop(|oldest| oldest.since.elapsed() > of.patience / 2) else {
                return;
            };
            if next.turn.is_closed() {
                continue;
            }
            let turn = self.hold(of);
            if let Err(mut unwanted) = next.turn.send(turn) {
                // not by dropping it, which would want the lock that is held here
                unwanted.of = None;
                self.held -= 1;
            }
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Turn<K> {
    fn drop(&mut self) {
        if let Some(of) = self.of.take() {
            let mut state = of.state.lock();
            state.held -= 1;
            state.give(&of);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn turns(at_once: usize, waiting: usize) -> Arc<Turns<char>> {
        Arc::new(Turns::new(TurnsLimits { at_once, waiting, patience: Duration::from_secs(3_600) }))
    }

    /// Spawns a sender and returns once it waits.
    async fn waits(turns: &Arc<Turns<char>>, key: char) -> tokio::task::JoinHandle<Result<Turn<char>, Busy>> {
        let of = turns.clone();
        let task = tokio::spawn(async move { of.take(&key, 1).await });
        // the runtime has one thread, and no other task wants it
        tokio::task::yield_now().await;
        task
    }

    /// Takes each sender's turn as it comes and gives it back; answers the order in which they came.
    async fn served(
        waiting: impl Iterator<Item = (usize, tokio::task::JoinHandle<Result<Turn<char>, Busy>>)>,
    ) -> Vec<usize> {
        let order = Mutex::new(Vec::new());
        let all = waiting.map(async |(n, waiter)| {
            let turn = waiter.await.unwrap().unwrap();
            order.lock().push(n);
            drop(turn);
        });
        futures::future::join_all(all).await;
        order.into_inner()
    }

    #[tokio::test]
    async fn one_sender_with_much_waits_behind_its_own() {
        let turns = turns(1, 100);
        let held = turns.take(&'a', 1).await.unwrap();
        let mut queue = Vec::new();
        for _ in 0..20 {
            queue.push(waits(&turns, 'a').await);
        }
        let other = waits(&turns, 'b').await;
        drop(held);
        // of the first two turns one is the other's
        queue.push(other);
        let order = served(queue.into_iter().enumerate()).await;
        assert!(order[..2].contains(&20), "{order:?}");
        assert_eq!(turns.use_now(), InUse { held: 0, at_once: 1, peak: 1, waiting: 0 });
    }

    #[tokio::test]
    async fn when_too_many_wait_the_newest_of_whoever_has_most_is_refused() {
        let turns = turns(1, 3);
        let held = turns.take(&'a', 1).await.unwrap();
        let mut queue = Vec::new();
        for _ in 0..3 {
            queue.push(waits(&turns, 'a').await);
        }
        assert_eq!(turns.take(&'a', 1).await.unwrap_err(), Busy);
        let other = waits(&turns, 'b').await;
        assert_eq!(queue.pop().unwrap().await.unwrap().unwrap_err(), Busy);
        assert!(turns.use_now().waiting <= 3);
        drop(held);
        assert_eq!(served(queue.into_iter().chain([other]).enumerate()).await.len(), 3);
        assert_eq!(turns.use_now().held, 0);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_its_turn_to_the_next() {
        let turns = turns(1, 9);
        let held = turns.take(&'a', 1).await.unwrap();
        let (gone, next) = (waits(&turns, 'a').await, waits(&turns, 'a').await);
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        drop(held);
        drop(next.await.unwrap().unwrap());
        assert_eq!(turns.use_now(), InUse { held: 0, at_once: 1, peak: 1, waiting: 0 });
    }

    #[tokio::test]
    async fn patience_ends() {
        let limits = TurnsLimits { at_once: 1, waiting: 9, patience: Duration::from_millis(1) };
        let turns = Arc::new(Turns::new(limits));
        let held = turns.take(&'a', 1).await.unwrap();
        assert_eq!(turns.take(&'b', 1).await.unwrap_err(), Busy);
        drop(held);
        assert!(turns.take(&'b', 1).now_or_never().unwrap().is_ok());
        assert_eq!(turns.use_now().waiting, 0);
    }

    #[tokio::test]
    async fn more_turns_are_given_at_once_and_fewer_as_they_come_back() {
        let turns = turns(1, 9);
        let first = turns.take(&'a', 1).await.unwrap();
        let second = waits(&turns, 'a').await;
        turns.set_at_once(2);
        let second = second.await.unwrap().unwrap();
        turns.set_at_once(1);
        drop(first);
        assert!(turns.take(&'a', 1).now_or_never().is_none());
        drop(second);
        assert!(turns.take(&'a', 1).now_or_never().unwrap().is_ok());
    }
}
