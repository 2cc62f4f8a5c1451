use std::sync::atomic::{AtomicU64, Ordering};

use adapters::event_store::MemoryEventStore;
use chrono::DateTime;
use domain::envelope::{Metadata, NewEvent, StreamId};
use domain::ports::event_store::Expected;
use uuid::Uuid;

use super::*;

struct World {
    log: Arc<MemoryEventStore>,
    feed: CallFeed,
    stop: CancellationToken,
    written: AtomicU64,
}

impl World {
    fn start() -> Self {
        let log = Arc::new(MemoryEventStore::new());
        let (feed, stop) = (CallFeed::new(log.clone()), CancellationToken::new());
        tokio::spawn(feed.clone().run(stop.clone()));
        Self { log, feed, stop, written: AtomicU64::new(0) }
    }

    async fn write(&self, stream: &StreamId, event_type: &str) {
        let number = u128::from(self.written.fetch_add(1, Ordering::Relaxed) + 1);
        let event = NewEvent {
            id: Uuid::from_u128(number),
            event_type: event_type.to_owned(),
            schema: 1,
            client_id: ClientId(Uuid::from_u128(7)),
            payload: vec![0x80],
            metadata: Metadata::system("test", Uuid::from_u128(number)),
            recorded_at: DateTime::UNIX_EPOCH,
        };
        self.log.append(stream, Expected::Any, vec![event]).await.unwrap();
    }
}

fn call(n: u128) -> CallId {
    CallId(Uuid::from_u128(n))
}

/// The positions of the next changes.
async fn told(watch: &mut CallWatch, count: usize) -> Vec<u64> {
    let mut positions = Vec::new();
    while positions.len() < count {
        let changes = watch.next().await.unwrap().expect("the feed goes on");
        positions.extend(changes.changes.iter().map(|change| change.position.0));
    }
    positions
}

#[tokio::test(start_paused = true)]
async fn calls_are_told_in_order_and_nothing_else() {
    let world = World::start();
    let mut watch = world.feed.watch(Position::START);
    world.write(&call(1).stream(), "call.queued").await;
    world.write(&StreamId::new("number", Uuid::from_u128(1)), "number.taken").await;
    world.write(&call(2).stream(), "call.queued").await;
    world.write(&call(1).stream(), "call.ended").await;
    assert_eq!(told(&mut watch, 3).await, [1, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_late_reads_what_was_missed_then_what_comes() {
    let world = World::start();
    for _ in 0..3 {
        world.write(&call(1).stream(), "call.answered").await;
    }
    let mut watch = world.feed.watch(Position(1));
    let missed = watch.missed().await.unwrap().expect("two were missed");
    assert_eq!(missed.changes.iter().map(|change| change.position.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(watch.missed().await.unwrap(), None);
    world.write(&call(1).stream(), "call.ended").await;
    assert_eq!(told(&mut watch, 1).await, [4]);
}

#[tokio::test(start_paused = true)]
async fn who_is_slower_than_what_is_kept_misses_nothing() {
    let world = World::start();
    let (mut quick, mut slow) = (world.feed.watch(Position::START), world.feed.watch(Position::START));
    let count = KEPT + 20;
    let mut seen = Vec::new();
    for _ in 0..count {
        // one at a time, so that each is a page of its own
        world.write(&call(1).stream(), "call.answered").await;
        seen.extend(told(&mut quick, 1).await);
    }
    assert_eq!(seen, (1..=count as u64).collect::<Vec<_>>());
    assert_eq!(told(&mut slow, count).await, seen);
}

#[tokio::test(start_paused = true)]
async fn nobody_watches_and_nothing_is_read_until_somebody_does_again() {
    let world = World::start();
    let mut first = world.feed.watch(Position::START);
    world.write(&call(1).stream(), "call.queued").await;
    assert_eq!(told(&mut first, 1).await, [1]);
    drop(first);
    world.write(&call(1).stream(), "call.ringing").await;
    let mut second = world.feed.watch(Position(2));
    world.write(&call(1).stream(), "call.ended").await;
    assert_eq!(told(&mut second, 1).await, [3]);
    world.stop.cancel();
}
