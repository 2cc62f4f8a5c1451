//! The log with its newest events at hand is a log like any other, and the engine is asked once for all.

use std::sync::Arc;

use adapters::event_store::{MemoryEventStore, RecentEvents};
use adapters::testing::counting_log::CountingLog;
use conformance::event_store::{Faults, Subject};
use domain::envelope::{Position, Recorded};
use domain::ports::event_store::{EventStore, Expected, Subscription};

use super::{event, stream};

async fn fresh() -> Subject {
    let faults = Faults::default();
    let inner = Arc::new(MemoryEventStore::with_faults(faults.clone()));
    Subject { store: Arc::new(RecentEvents::new(inner)), faults, keep: Box::new(()) }
}

conformance::event_store_suite!(super::fresh);
conformance::event_store_fault_suite!(super::fresh);

async fn append(log: &dyn EventStore, events: std::ops::Range<u64>) {
    for n in events {
        log.append(&stream(n % 7), Expected::Any, vec![event(n)]).await.unwrap();
    }
}

fn positions(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|event| event.position.0).collect()
}

#[tokio::test]
async fn a_dozen_followers_see_everything_and_the_engine_is_read_once() {
    let engine = Arc::new(CountingLog::default());
    append(&*engine, 1..51).await;
    let log: Arc<dyn EventStore> = Arc::new(RecentEvents::new(engine.clone()));
    let mut followers: Vec<_> = (0..12).map(|_| Subscription::new(log.clone(), Position(50), 100)).collect();
    assert_eq!(log.read_all(Position(50), 1).await.unwrap(), [], "where the end is");
    for round in 0..20 {
        let before = engine.pages();
        append(&*log, 51 + round * 10..61 + round * 10).await;
        for follower in &mut followers {
            assert_eq!(
                positions(&follower.next().await.unwrap()),
                (51 + round * 10..61 + round * 10).collect::<Vec<_>>()
            );
        }
        assert_eq!(engine.pages() - before, 1);
    }
}

#[tokio::test]
async fn whoever_is_far_behind_reads_the_engine_and_misses_nothing() {
    let engine = Arc::new(CountingLog::default());
    let log: Arc<dyn EventStore> = Arc::new(RecentEvents::new(engine.clone()));
    // so many that the first ones are not kept
    let mut ahead = Subscription::new(log.clone(), Position::START, 700);
    for part in 0..10 {
        append(&*log, part * 1_000 + 1..part * 1_000 + 1_001).await;
        while ahead.position().0 < (part + 1) * 1_000 {
            ahead.next().await.unwrap();
        }
    }
    for limit in [1_000, 999, 64] {
        let mut behind = Subscription::new(log.clone(), Position(3), limit);
        let mut seen = Vec::new();
        while behind.position() < Position(10_000) {
            seen.extend(positions(&behind.next().await.unwrap()));
        }
        assert_eq!(seen, (4..10_001).collect::<Vec<_>>());
    }
    assert_eq!(positions(&log.read_all(Position(9_990), 4).await.unwrap()), [9_991, 9_992, 9_993, 9_994]);
    assert_eq!(log.read_all(Position(10_000), 4).await.unwrap(), []);
    assert_eq!(log.read_all(Position(11_000), 4).await.unwrap(), [], "beyond the end is nothing");
}
