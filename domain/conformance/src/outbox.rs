//! What every [`OutboxStore`] must do, as functions over a fresh, empty store.
//!
//! `outbox_store_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> Subject`.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use domain::call::terms::CommandKind;
use domain::call::{Timer, Work};
use domain::envelope::{EventRef, Position, Time};
use domain::ids::ClientId;
use domain::ports::lease::{Lease, Leases};
use domain::ports::outbox::{Cause, OutboxError, OutboxItem, OutboxStore, TimerItem, WorkChange, WorkStats};
use domain::testing::ids::sequential;

/// A work store under test, and the leases that fence it.
pub struct Subject {
    pub store: Arc<dyn OutboxStore>,
    pub leases: Arc<dyn Leases>,
    /// Whatever must outlive them: a temporary folder, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Subject {
    async fn lease(&self) -> Lease {
        self.leases.acquire("work", "one", Duration::from_secs(600)).await.unwrap().unwrap()
    }

    /// Commits from the present checkpoint on.
    async fn commit(&self, changes: &[WorkChange]) {
        let at = self.store.checkpoint().await.unwrap();
        let to = at.position.plus(1).into();
        self.store.commit(&self.lease().await, at.position, to, changes).await.unwrap();
    }

    /// The effects due at `seconds`.
    async fn due(&self, seconds: i64) -> Vec<u64> {
        let due = self.store.due_effects(at(seconds), 100).await.unwrap();
        due.iter().map(|item| number(item.effect_id)).collect()
    }
}

fn at(seconds: i64) -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000 + seconds * 1_000_000).unwrap()
}

fn number(id: Uuid) -> u64 {
    (0..1_000).find(|n| sequential(*n) == id).unwrap()
}

fn cause(n: u64) -> Cause {
    let traceparent = n.is_multiple_of(2).then(|| format!("00-{n:032x}-{n:016x}-01"));
    Cause { event_id: sequential(n + 1), correlation_id: sequential(n + 2), traceparent }
}

/// Effect `n` of call `call`, asked for at position `n`.
fn item(n: u64, call: u64, work: Work, due: i64) -> OutboxItem {
    OutboxItem {
        effect_id: sequential(n),
        subject: sequential(call),
        client: ClientId(sequential(77)),
        work,
        due: at(due),
        attempts: 0,
        position: Position(n),
        cause: cause(n),
    }
}

fn speak(n: u64, call: u64, due: i64) -> WorkChange {
    WorkChange::Do(item(n, call, SPEAK, due))
}

fn timer(call: u64, timer: Timer, due: i64) -> TimerItem {
    let (subject, client) = (sequential(call), ClientId(sequential(77)));
    TimerItem { subject, client, timer, due: at(due), cause: cause(subject.as_u128() as u64 % 100) }
}

const SPEAK: Work = Work::Command(CommandKind::Speak);
const HANG_UP: Work = Work::Command(CommandKind::HangUp);

/// Every field of an effect and of a timer comes back as it was given.
pub async fn what_is_stored_comes_back(subject: &Subject) {
    let effects = [item(1, 10, SPEAK, 5), item(2, 11, Work::Reconcile, 6), item(4, 12, Work::CheckLeg, 7)];
    let timers = [timer(10, Timer::Ring, 5), timer(10, Timer::MaxDuration, 6)];
    let changes: Vec<_> = (effects.iter().cloned().map(WorkChange::Do))
        .chain(timers.iter().cloned().map(WorkChange::Arm))
        .collect();
    subject.commit(&changes).await;
    assert_eq!(subject.store.due_effects(at(100), 10).await.unwrap(), effects);
    assert_eq!(subject.store.due_timers(at(100), 10).await.unwrap(), timers);
}

/// Only what is due, longest due first, and no more than asked for.
pub async fn the_longest_due_comes_first(subject: &Subject) {
    subject.commit(&[speak(1, 10, 30), speak(2, 11, 10), speak(3, 12, 20), speak(4, 13, 50)]).await;
    assert_eq!(subject.due(9).await, [] as [u64; 0]);
    assert_eq!(subject.due(10).await, [2], "due at the very moment");
    assert_eq!(subject.due(30).await, [2, 3, 1]);
    let two = subject.store.due_effects(at(100), 2).await.unwrap();
    assert_eq!(two.iter().map(|item| number(item.effect_id)).collect::<Vec<_>>(), [2, 3]);
}

/// An ordered effect waits for earlier ordered ones of its call, also when those are postponed; hanging up and
/// reconciling wait for nothing and hold up nothing.
pub async fn ordered_effects_of_a_call_wait_for_each_other(subject: &Subject) {
    let hang_up = WorkChange::Do(item(3, 10, HANG_UP, 0));
    let look = WorkChange::Do(item(1, 20, Work::Reconcile, 500));
    subject
        .commit(&[look, speak(2, 10, 0), hang_up, speak(4, 10, 0), speak(5, 11, 1), speak(6, 20, 1)])
        .await;
    assert_eq!(subject.due(1).await, [2, 3, 5, 6]);
    subject.store.postpone(sequential(2), at(60), 1, "not ready").await.unwrap();
    assert_eq!(subject.due(1).await, [3, 5, 6], "the one behind it still waits");
    subject.store.finish(&[sequential(2)]).await.unwrap();
    assert_eq!(subject.due(1).await, [3, 4, 5, 6]);
}

/// A postponed effect keeps its number of attempts and comes again at its new time.
pub async fn a_postponed_effect_comes_again(subject: &Subject) {
    subject.commit(&[speak(1, 10, 0)]).await;
    subject.store.postpone(sequential(1), at(40), 3, "carrier unreachable").await.unwrap();
    assert_eq!(subject.due(39).await, [] as [u64; 0]);
    let again = subject.store.due_effects(at(40), 10).await.unwrap();
    assert_eq!(again, [OutboxItem { attempts: 3, ..item(1, 10, SPEAK, 40) }]);
    // one that is gone by now stays gone
    subject.store.finish(&[sequential(1)]).await.unwrap();
    subject.store.postpone(sequential(1), at(50), 4, "too late").await.unwrap();
    assert_eq!(subject.due(1_000).await, [] as [u64; 0]);
}

/// An effect that is there already stays as it is, whatever asks for it again.
pub async fn the_same_effect_again_changes_nothing(subject: &Subject) {
    subject.commit(&[speak(1, 10, 0)]).await;
    subject.store.postpone(sequential(1), at(40), 3, "not ready").await.unwrap();
    subject.commit(&[speak(1, 10, 0)]).await;
    let kept = subject.store.due_effects(at(40), 10).await.unwrap();
    assert_eq!(kept, [OutboxItem { attempts: 3, ..item(1, 10, SPEAK, 40) }]);
}

/// Changes apply in their order, within a commit and across commits.
pub async fn changes_count_in_their_order(subject: &Subject) {
    let done = |n| WorkChange::Done(sequential(n));
    let close = |call| WorkChange::Close(sequential(call));
    let arm = |call, due| WorkChange::Arm(timer(call, Timer::Ring, due));
    let disarm = |call| WorkChange::Disarm(sequential(call), Timer::Ring);
    subject
        .commit(&[
            (speak(1, 10, 0)),
            done(1),
            done(2),
            speak(2, 11, 0),
            speak(3, 12, 0),
            close(12),
            close(13),
            speak(4, 13, 0),
            arm(20, 5),
            disarm(20),
            disarm(21),
            arm(21, 5),
            arm(22, 5),
            arm(22, 9),
            arm(23, 5),
            close(23),
        ])
        .await;
    assert_eq!(subject.due(100).await, [2, 4]);
    let armed = subject.store.due_timers(at(100), 10).await.unwrap();
    assert_eq!(armed, [timer(21, Timer::Ring, 5), timer(22, Timer::Ring, 9)]);
    subject.commit(&[done(2), close(13), arm(21, 7), disarm(22)]).await;
    assert_eq!(subject.due(100).await, [] as [u64; 0]);
    assert_eq!(subject.store.due_timers(at(100), 10).await.unwrap(), [timer(21, Timer::Ring, 7)]);
}

/// Closing a call takes its effects and timers and nobody else's.
pub async fn closing_a_call_leaves_the_others_alone(subject: &Subject) {
    let arm = |call| WorkChange::Arm(timer(call, Timer::MaxDuration, 0));
    subject.commit(&[speak(1, 10, 0), speak(2, 10, 0), speak(3, 11, 0), arm(10), arm(11)]).await;
    subject.commit(&[WorkChange::Close(sequential(10))]).await;
    assert_eq!(subject.due(100).await, [3]);
    let left = subject.store.due_timers(at(100), 10).await.unwrap();
    assert_eq!(left, [timer(11, Timer::MaxDuration, 0)]);
}

/// A timer that fired is gone, unless it was set anew meanwhile.
pub async fn a_fired_timer_is_gone_unless_set_anew(subject: &Subject) {
    let (old, new) = (timer(10, Timer::Ring, 5), timer(10, Timer::Ring, 8));
    subject.commit(&[WorkChange::Arm(old.clone())]).await;
    subject.commit(&[WorkChange::Arm(new.clone())]).await;
    subject.store.fired(&old).await.unwrap();
    assert_eq!(subject.store.due_timers(at(10), 10).await.unwrap(), std::slice::from_ref(&new));
    subject.store.fired(&new).await.unwrap();
    assert!(subject.store.due_timers(at(10), 10).await.unwrap().is_empty());
}

/// The next effect is the earliest that nothing holds up; the next timer is told apart from it.
pub async fn the_next_due_is_told(subject: &Subject) {
    assert_eq!(subject.store.next_effect().await.unwrap(), None);
    assert_eq!(subject.store.next_timer().await.unwrap(), None);
    subject.commit(&[speak(1, 10, 30), speak(2, 10, 5), speak(3, 11, 40)]).await;
    assert_eq!(subject.store.next_effect().await.unwrap(), Some(at(30)), "the second waits for the first");
    let timers = [timer(10, Timer::Ring, 50), timer(11, Timer::Ring, 20)];
    subject.commit(&timers.map(WorkChange::Arm)).await;
    assert_eq!(subject.store.next_effect().await.unwrap(), Some(at(30)));
    assert_eq!(subject.store.next_timer().await.unwrap(), Some(at(20)));
}

/// All effects are read at once, also those that are not due or wait for others; never more than asked for.
pub async fn all_effects_are_read_at_once(subject: &Subject) {
    subject.commit(&[speak(1, 10, 30), speak(2, 10, 5), speak(3, 11, 40)]).await;
    let mut all = subject.store.effects(3).await.unwrap();
    all.sort_by_key(|item| item.position);
    assert_eq!(all, [item(1, 10, SPEAK, 30), item(2, 10, SPEAK, 5), item(3, 11, SPEAK, 40)]);
    assert_eq!(subject.store.effects(2).await.unwrap().len(), 2);
    subject.store.finish(&[sequential(1), sequential(3), sequential(9)]).await.unwrap();
    assert_eq!(subject.store.effects(3).await.unwrap(), [item(2, 10, SPEAK, 5)]);
    subject.store.finish(&[]).await.unwrap();
}

/// Statistics tell how much waits, and since when.
pub async fn what_waits_is_counted(subject: &Subject) {
    assert_eq!(subject.store.stats(at(0)).await.unwrap(), WorkStats::default());
    let arm = WorkChange::Arm(timer(10, Timer::Ring, 20));
    subject.commit(&[speak(1, 10, 30), speak(2, 11, 5), arm]).await;
    let stats = subject.store.stats(at(4)).await.unwrap();
    assert_eq!(stats, WorkStats { effects: 2, oldest_due: None, timers: 1 });
    let stats = subject.store.stats(at(50)).await.unwrap();
    assert_eq!(stats, WorkStats { effects: 2, oldest_due: Some(at(5)), timers: 1 });
}

/// A commit moves the checkpoint and its changes together, or neither.
pub async fn a_commit_from_a_moved_checkpoint_writes_nothing(subject: &Subject) {
    let lease = subject.lease().await;
    assert_eq!(subject.store.checkpoint().await.unwrap(), EventRef::START);
    subject.store.commit(&lease, Position::START, Position(5).into(), &[speak(1, 10, 0)]).await.unwrap();
    assert_eq!(subject.store.checkpoint().await.unwrap(), Position(5).into());
    let late = subject.store.commit(&lease, Position::START, Position(6).into(), &[speak(2, 11, 0)]).await;
    assert!(matches!(late, Err(OutboxError::Deposed)), "{late:?}");
    assert_eq!(subject.due(100).await, [1]);
    assert_eq!(subject.store.checkpoint().await.unwrap(), Position(5).into());
}

/// The checkpoint comes back with the id of its event.
pub async fn the_event_at_the_checkpoint_is_kept(subject: &Subject) {
    let to = EventRef { position: Position(3), id: Some(sequential(77)) };
    let lease = subject.lease().await;
    subject.store.commit(&lease, Position::START, to, &[speak(1, 10, 0)]).await.unwrap();
    assert_eq!(subject.store.checkpoint().await.unwrap(), to);
}

/// A store that begins anew holds nothing, and is filled from the first event on.
pub async fn a_store_that_begins_anew_is_empty(subject: &Subject) {
    subject.commit(&[speak(1, 10, 0), WorkChange::Arm(timer(10, Timer::Ring, 20))]).await;
    subject.store.start_anew().await.unwrap();
    assert_eq!(subject.store.checkpoint().await.unwrap(), EventRef::START);
    assert_eq!(subject.store.stats(at(100)).await.unwrap(), WorkStats::default());
    subject.commit(&[speak(2, 10, 0)]).await;
    assert_eq!(subject.due(100).await, [2]);
}

/// An owner that lost its lease writes nothing.
pub async fn a_stale_lease_writes_nothing(subject: &Subject) {
    let stale = subject.lease().await;
    subject.leases.release(&stale).await.unwrap();
    let ttl = Duration::from_secs(600);
    let newer = subject.leases.acquire("work", "two", ttl).await.unwrap().unwrap();
    let late = subject.store.commit(&stale, Position::START, Position(1).into(), &[speak(1, 10, 0)]).await;
    assert!(matches!(late, Err(OutboxError::Deposed)), "{late:?}");
    assert_eq!(subject.due(100).await, [] as [u64; 0]);
    subject.store.commit(&newer, Position::START, Position(1).into(), &[speak(1, 10, 0)]).await.unwrap();
    assert_eq!(subject.due(100).await, [1]);
}

/// After the clock was set, all due times are as far off as before; an owner that lost its lease moves nothing.
pub async fn due_times_move_with_the_clock(subject: &Subject) {
    subject.commit(&[speak(1, 10, 5), WorkChange::Arm(timer(11, Timer::Ring, 7))]).await;
    let lease = subject.lease().await;
    let day = chrono::TimeDelta::days(1);
    subject.store.shift(&lease, -day).await.unwrap();
    assert_eq!(subject.store.next_effect().await.unwrap(), Some(at(5) - day));
    assert_eq!(subject.store.due_timers(at(7) - day, 10).await.unwrap().len(), 1);
    subject.store.shift(&lease, day + chrono::TimeDelta::seconds(3)).await.unwrap();
    assert_eq!(subject.store.next_effect().await.unwrap(), Some(at(8)));
    assert_eq!(subject.store.next_timer().await.unwrap(), Some(at(10)));
    subject.leases.release(&lease).await.unwrap();
    subject.leases.acquire("work", "two", Duration::from_secs(600)).await.unwrap().unwrap();
    subject.store.shift(&lease, day).await.unwrap();
    assert_eq!(subject.store.next_effect().await.unwrap(), Some(at(8)));
}

/// Reading the log again from its start, in batches of any size, leaves what was left the first time.
pub async fn work_is_derived_again_in_batches_of_any_size(subject: &Subject) {
    let mut changes = Vec::new();
    for call in 0..40_u64 {
        let (first, second) = (call * 2 + 1, call * 2 + 2);
        changes.extend([speak(first, 200 + call, 1), WorkChange::Arm(timer(200 + call, Timer::Ring, 3))]);
        changes.extend([WorkChange::Done(sequential(first)), speak(second, 200 + call, 2)]);
        if call % 4 != 0 {
            changes.push(WorkChange::Close(sequential(200 + call)));
        }
    }
    let wanted: Vec<_> = (0..40).step_by(4).map(|call| call * 2 + 2).collect();
    for size in [changes.len(), 1, 7, 64] {
        for batch in changes.chunks(size) {
            subject.commit(batch).await;
        }
        assert_eq!(subject.due(100).await, wanted, "in batches of {size}");
        assert_eq!(subject.store.due_timers(at(100), 100).await.unwrap().len(), 10);
    }
}

/// Makes a test of every case.
#[macro_export]
macro_rules! outbox_store_suite {
    ($fresh:path) => {
        $crate::port_cases!($fresh, outbox:
            what_is_stored_comes_back,
            the_longest_due_comes_first,
            ordered_effects_of_a_call_wait_for_each_other,
            a_postponed_effect_comes_again,
            the_same_effect_again_changes_nothing,
            changes_count_in_their_order,
            closing_a_call_leaves_the_others_alone,
            a_fired_timer_is_gone_unless_set_anew,
            the_next_due_is_told,
            all_effects_are_read_at_once,
            what_waits_is_counted,
            a_commit_from_a_moved_checkpoint_writes_nothing,
            the_event_at_the_checkpoint_is_kept,
            a_store_that_begins_anew_is_empty,
            a_stale_lease_writes_nothing,
            work_is_derived_again_in_batches_of_any_size,
            due_times_move_with_the_clock,
        );
    };
}
