//! Cases about order under concurrency, and about following the log.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;

use super::{Subject, assert_dense, events, ids, stream};
use domain::envelope::{Position, Recorded, Version};
use domain::ports::event_store::{AppendError, EventStore, Expected, Subscription};

/// `writers` tasks append `each` times one to three events, each to its own stream.
async fn write(store: &Arc<dyn EventStore>, writers: u64, each: u64) {
    let tasks = (0..writers).map(|writer| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let call = stream(writer);
            let mut version = Version::NONE;
            for n in 0..each {
                let first = (writer * each + n) * 3 + 1;
                let batch = events(first..=first + (writer + n) % 3);
                version = store.append(&call, Expected::Exact(version), batch).await.unwrap().version;
            }
            version.0
        })
    });
    join_all(tasks).await.into_iter().for_each(|written| assert!(written.unwrap() >= each));
}

pub async fn positions_are_dense_under_many_writers(subject: &Subject) {
    write(&subject.store, 64, 20).await;
    let log = subject.log().await;
    assert_eq!(subject.store.head().await.unwrap(), Position(log.len() as u64));
    assert!(log.len() > 64 * 20);
    assert_dense(&log);
}

pub async fn one_stream_under_many_writers_has_one_winner_a_version(subject: &Subject) {
    let racers = (0..64).map(|writer| {
        let store = Arc::clone(&subject.store);
        tokio::spawn(async move {
            let mut wins = Vec::new();
            let mut version = Version::NONE;
            for n in 0..5 {
                let batch = events([writer * 5 + n + 1]);
                match store.append(&stream(1), Expected::Exact(version), batch).await {
                    Ok(won) => {
                        wins.push(won.version);
                        version = won.version;
                    }
                    Err(AppendError::Conflict { current, .. }) => {
                        assert_ne!(current, version, "a conflict names another version than expected");
                        version = current;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            wins
        })
    });
    let mut wins: Vec<_> = join_all(racers).await.into_iter().flat_map(Result::unwrap).collect();
    wins.sort_unstable();
    let log = subject.log().await;
    assert_dense(&log);
    assert_eq!(wins, log.iter().map(|event| event.version).collect::<Vec<_>>());
}

/// Reads towards the head while others write; fails at the first hole.
pub async fn a_reader_that_saw_a_position_never_misses_one_before_it(subject: &Subject) {
    let writing = write(&subject.store, 16, 30);
    let reading = async {
        let mut seen = Position::START;
        let mut pages = 0_u64;
        loop {
            let head = subject.store.head().await.unwrap();
            let page = subject.store.read_all(seen, 50).await.unwrap();
            for event in &page {
                assert_eq!(event.position, seen.plus(1), "a reader skipped a position");
                seen = event.position;
            }
            assert!(seen >= head || page.len() == 50, "the head was {head}, but reading ended at {seen}");
            pages += 1;
            if seen.0 >= 16 * 30 && page.is_empty() {
                return pages;
            }
            tokio::task::yield_now().await;
        }
    };
    let ((), pages) = tokio::join!(writing, reading);
    assert!(pages > 1);
    assert_dense(&subject.log().await);
}

/// Follows until `count` events came.
async fn follow(store: &Arc<dyn EventStore>, after: Position, page: usize, count: usize) -> Vec<Recorded> {
    let mut subscription = Subscription::new(Arc::clone(store), after, page);
    let mut seen = Vec::new();
    while seen.len() < count {
        let events = subscription.next().await.unwrap();
        assert!(!events.is_empty() && events.len() <= page);
        seen.extend(events);
        assert_eq!(subscription.position(), after.plus(seen.len() as u64));
    }
    seen
}

pub async fn a_subscription_catches_up_and_then_follows_without_gap_or_repeat(subject: &Subject) {
    write(&subject.store, 8, 20).await;
    let stored = subject.log().await.len();
    let more = 200;
    let writing = async {
        for n in 0..more {
            subject.append(&stream(999), Expected::Any, events([100_000 + n])).await.unwrap();
        }
    };
    let all = stored + more as usize;
    let ((), slow, fast) = tokio::join!(
        writing,
        follow(&subject.store, Position::START, 3, all),
        follow(&subject.store, Position::START, 500, all)
    );
    assert_dense(&slow);
    assert_eq!(ids(&slow), ids(&fast));
    assert_eq!(slow, subject.log().await);
}

pub async fn a_subscription_starts_in_the_middle(subject: &Subject) {
    for n in 1..=10 {
        subject.append(&stream(n), Expected::NoStream, events([n])).await.unwrap();
    }
    let seen = follow(&subject.store, Position(6), 100, 4).await;
    assert_eq!(seen.iter().map(|event| event.position.0).collect::<Vec<_>>(), [7, 8, 9, 10]);
}

pub async fn a_cancelled_wait_loses_nothing(subject: &Subject) {
    let mut subscription = Subscription::new(Arc::clone(&subject.store), Position::START, 10);
    for n in 1..=20 {
        // polled once, then dropped, like the losing branch of a select
        if let Some(events) = subscription.next().now_or_never() {
            panic!("nothing was appended, yet it delivered {events:?}");
        }
        subject.append(&stream(1), Expected::Any, events([n])).await.unwrap();
        let seen = subscription.next().await.unwrap();
        assert_eq!(seen.iter().map(|event| event.position.0).collect::<Vec<_>>(), [n]);
    }
}

pub async fn waiting_ends_when_the_head_moves(subject: &Subject) {
    // an idle wait ends by itself in about a second: a hint is never the only way on
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, subject.store.wait_past(Position::START)).await.unwrap();
    let call = stream(1);
    let (waited, appended) = tokio::join!(
        tokio::time::timeout(patience, subject.store.wait_past(Position::START)),
        subject.append(&call, Expected::Any, events([1]))
    );
    waited.unwrap();
    appended.unwrap();
    // and at once when the head is already past
    tokio::time::timeout(patience, subject.store.wait_past(Position::START)).await.unwrap();
}
