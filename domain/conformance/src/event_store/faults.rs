//! Cases about commits that are slow or fail, or whose answer is lost, and the switches that cause this.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::sync::watch;

use super::{Subject, assert_conflict, assert_dense, events, ids, stream};
use domain::envelope::{Position, Version};
use domain::ports::event_store::{AppendError, Expected};
use domain::testing::ids::sequential;

/// What became of a commit whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Written,
    NotWritten,
}

/// Fault injection: a test turns these switches, the engine reads them around each commit.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Switches>);

#[derive(Debug, Default)]
struct Switches {
    held: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
    written: AtomicUsize,
    not_written: AtomicUsize,
    refused: AtomicUsize,
    blind: watch::Sender<bool>,
}

/// Commits wait until this is dropped.
#[derive(Debug)]
pub struct Held<'a>(&'a Faults);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.held.send_replace(false);
    }
}

impl Faults {
    /// Holds every commit back until what this returns is dropped.
    #[must_use]
    pub fn hold_commits(&self) -> Held<'_> {
        self.0.held.send_replace(true);
        Held(self)
    }

    /// Returns once a commit is being held.
    pub async fn commit_is_held(&self) {
        let _ = self.0.waiting.subscribe().wait_for(|waiting| *waiting > 0).await;
    }

    /// Loses the answers of the next `count` commits; `fate` says what becomes of the commits themselves.
    pub fn lose_answers(&self, count: usize, fate: Fate) {
        let counter = match fate {
            Fate::Written => &self.0.written,
            Fate::NotWritten => &self.0.not_written,
        };
        counter.store(count, Ordering::SeqCst);
    }

    /// The next `count` commits fail, and say so, as on a full disk.
    pub fn refuse_commits(&self, count: usize) {
        self.0.refused.store(count, Ordering::SeqCst);
    }

    /// While set, look-ups of the engine fail.
    pub fn blind(&self, blind: bool) {
        self.0.blind.send_replace(blind);
    }

    /// For engines: waits before a commit while it is to be held.
    pub async fn pass_gate(&self) {
        self.0.waiting.send_modify(|waiting| *waiting += 1);
        let _ = self.0.held.subscribe().wait_for(|held| !held).await;
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }

    /// For engines: whether the answer of this commit is to be lost, and what is to become of it.
    #[must_use]
    pub fn takes_answer(&self) -> Option<Fate> {
        if take_one(&self.0.written) {
            Some(Fate::Written)
        } else {
            take_one(&self.0.not_written).then_some(Fate::NotWritten)
        }
    }

    /// For engines: whether this commit is to fail.
    #[must_use]
    pub fn refuses_commit(&self) -> bool {
        take_one(&self.0.refused)
    }

    /// For engines: whether look-ups are to fail.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        *self.0.blind.borrow()
    }
}

fn take_one(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

pub async fn a_commit_held_open_hides_itself_and_what_comes_after_it(subject: &Subject) {
    subject.append(&stream(1), Expected::NoStream, events([1])).await.unwrap();
    let held = subject.faults.hold_commits();
    let (first, next) = (stream(2), stream(3));
    let slow = subject.append(&first, Expected::NoStream, events([2, 3]));
    let looking = async {
        subject.faults.commit_is_held().await;
        let behind = subject.append(&next, Expected::NoStream, events([4]));
        let after_a_look = async {
            assert_eq!(subject.store.head().await.unwrap(), Position(1));
            assert_eq!(ids(&subject.log().await), [sequential(1)]);
            assert_eq!(subject.stream(&first).await, []);
            drop(held);
        };
        tokio::join!(behind, after_a_look).0.unwrap()
    };
    let (slow, behind) = tokio::join!(slow, looking);
    assert_eq!(slow.unwrap().first_position, Position(2));
    assert_eq!(behind.first_position, Position(4));
    assert_dense(&subject.log().await);
}

pub async fn a_full_queue_answers_overloaded_and_writes_nothing_by_halves(subject: &Subject) {
    const TRIES: u64 = 20_000;
    let held = subject.faults.hold_commits();
    let mut appends: Vec<_> = (0..TRIES)
        .map(|n| {
            let batch = events([2 * n + 1, 2 * n + 2]);
            Box::pin(async move { subject.store.append(&stream(n), Expected::NoStream, batch).await })
        })
        .collect();
    // hand every append to the store once; those it cannot take answer at once
    let mut answers: Vec<_> = Vec::new();
    for append in &mut appends {
        answers.push(match futures::poll!(append.as_mut()) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        });
    }
    drop(held);
    let mut written = 0;
    let mut overloaded = 0;
    for (answer, append) in answers.into_iter().zip(appends) {
        match match answer {
            Some(answer) => answer,
            None => append.await,
        } {
            Ok(appended) => {
                assert_eq!(appended.last_position, appended.first_position.plus(1));
                written += 1;
            }
            Err(AppendError::Overloaded { retry_after }) => {
                assert!(!retry_after.is_zero());
                overloaded += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(overloaded > 0, "a queue took {TRIES} appends while nothing was written");
    assert!(written > 0);
    let log = subject.log().await;
    assert_eq!(log.len(), 2 * written);
    assert_dense(&log);
    subject.append(&stream(TRIES), Expected::NoStream, events([2 * TRIES + 1])).await.unwrap();
}

pub async fn a_conflict_in_a_shared_batch_does_not_harm_its_neighbours(subject: &Subject) {
    let (one, other, new) = (stream(1), stream(2), stream(3));
    subject.append(&one, Expected::NoStream, events(1..=2)).await.unwrap();
    let held = subject.faults.hold_commits();
    let first = subject.append(&other, Expected::NoStream, events([3]));
    let rest = async {
        // everything below queues up behind the held commit and becomes one batch
        subject.faults.commit_is_held().await;
        let none = Expected::NoStream;
        let [two, three] = [2, 3].map(|version| Expected::Exact(Version(version)));
        let (good, stale, repeat, foreign, partial, chained, lost, released) = (
            events([10, 11]),
            events([12]),
            events([1, 2]),
            events([3]),
            events([13, 2]),
            events([14]),
            events([15]),
            async { drop(held) },
        );
        tokio::join!(
            subject.append(&one, two, &good),
            subject.append(&one, none, &stale),
            subject.append(&one, none, &repeat),
            subject.append(&one, Expected::Any, &foreign),
            subject.append(&new, none, &partial),
            subject.append(&one, Expected::Exact(Version(4)), &chained),
            subject.append(&one, three, &lost),
            subject.append(&new, none, events([16])).then_release(released),
        )
    };
    let (first, (good, stale, repeat, foreign, partial, chained, lost, last)) = tokio::join!(first, rest);
    assert_eq!(first.unwrap().first_position, Position(3));
    assert_eq!(good.unwrap().version, Version(4));
    assert_conflict(stale, 4);
    let repeat = repeat.unwrap();
    assert_eq!(
        (repeat.first_position, repeat.last_position, repeat.repeated),
        (Position(1), Position(2), true)
    );
    assert_conflict(foreign, 4);
    assert_conflict(partial, 0);
    assert_eq!(chained.unwrap().version, Version(5));
    assert_conflict(lost, 5);
    assert_eq!(last.unwrap().version, Version(1));
    let log = subject.log().await;
    assert_dense(&log);
    assert_eq!(ids(&log).len(), 7);
    // KurrentDB may store streams that are written at the same time in any order among each other
    if subject.store.engine() != "kurrentdb" {
        assert_eq!(ids(&log), [1, 2, 3, 10, 11, 14, 16].map(sequential));
    }
    for (stream, wanted) in [(&one, &[1, 2, 10, 11, 14][..]), (&other, &[3]), (&new, &[16])] {
        let wanted: Vec<_> = wanted.iter().copied().map(sequential).collect();
        assert_eq!(ids(&subject.stream(stream).await), wanted);
    }
}

/// Polls an append once, so that it is queued, then lets the held commits go.
trait ThenRelease: Future + Sized {
    async fn then_release(self, release: impl Future<Output = ()>) -> Self::Output {
        let mut append = std::pin::pin!(self);
        let first = futures::poll!(append.as_mut());
        release.await;
        match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => append.await,
        }
    }
}

impl<F: Future> ThenRelease for F {}

pub async fn a_lost_answer_of_a_commit_is_looked_up(subject: &Subject) {
    subject.faults.lose_answers(1, Fate::Written);
    let appended = subject.append(&stream(1), Expected::NoStream, events(1..=3)).await.unwrap();
    assert_eq!((appended.first_position, appended.last_position), (Position(1), Position(3)));
    assert!(!appended.repeated, "this very append wrote the events");
    let next = subject.append(&stream(1), Expected::Exact(Version(3)), events([4])).await.unwrap();
    assert_eq!(next.first_position, Position(4));
    assert_dense(&subject.log().await);
}

pub async fn a_lost_commit_is_written_after_all(subject: &Subject) {
    subject.faults.lose_answers(1, Fate::NotWritten);
    let appended = subject.append(&stream(1), Expected::NoStream, events(1..=3)).await.unwrap();
    assert_eq!((appended.first_position, appended.repeated), (Position(1), false));
    assert_eq!(ids(&subject.log().await), ids(&subject.stream(&stream(1)).await));
    assert_dense(&subject.log().await);
}

pub async fn an_outcome_nobody_can_tell_is_unknown_and_told_by_the_next_try(subject: &Subject) {
    for (n, fate) in [(1, Fate::Written), (2, Fate::NotWritten)] {
        let (call, batch) = (stream(n), events([10 * n, 10 * n + 1]));
        subject.faults.lose_answers(1, fate);
        subject.faults.blind(true);
        let answer = subject.append(&call, Expected::NoStream, &batch).await;
        assert!(
            matches!(answer, Err(AppendError::Unknown(_))),
            "expected an unknown outcome, got {answer:?}"
        );
        subject.faults.blind(false);
        let again = subject.append(&call, Expected::NoStream, &batch).await.unwrap();
        assert_eq!(again.repeated, fate == Fate::Written);
        assert_eq!(again.version, Version(2));
    }
    let log = subject.log().await;
    assert_dense(&log);
    assert_eq!(log.len(), 4);
}

pub async fn a_store_that_cannot_write_is_unavailable_and_recovers(subject: &Subject) {
    subject.append(&stream(1), Expected::NoStream, events([1])).await.unwrap();
    subject.faults.refuse_commits(1);
    let answer = subject.append(&stream(1), Expected::Exact(Version(1)), events([2])).await;
    assert!(matches!(answer, Err(AppendError::Unavailable(_))), "expected unavailable, got {answer:?}");
    assert_eq!(subject.log().await.len(), 1);
    let appended = subject.append(&stream(1), Expected::Exact(Version(1)), events([2])).await.unwrap();
    assert_eq!((appended.first_position, appended.repeated), (Position(2), false));
    assert_dense(&subject.log().await);
}

pub async fn a_dropped_append_is_written_whole_or_not_at_all(subject: &Subject) {
    let held = subject.faults.hold_commits();
    for n in 0..32 {
        let call = stream(n);
        let append = subject.store.append(&call, Expected::NoStream, events(2 * n + 1..=2 * n + 2));
        let mut append = std::pin::pin!(append);
        assert!(futures::poll!(append.as_mut()).is_pending());
    }
    drop(held);
    subject.append(&stream(99), Expected::NoStream, events([99])).await.unwrap();
    let log = subject.log().await;
    assert_dense(&log);
    for n in 0..32 {
        let written = subject.stream(&stream(n)).await.len();
        assert!(written == 0 || written == 2, "a dropped append was written by half");
    }
}
