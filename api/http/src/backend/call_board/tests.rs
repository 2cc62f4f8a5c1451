use std::sync::atomic::AtomicUsize;

use adapters::event_store::MemoryEventStore;
use chrono::DateTime;
use domain::envelope::{Metadata, NewEvent};
use domain::ports::event_store::{EventStore, Expected};
use uuid::Uuid;

use super::*;

const OURS: ClientId = ClientId(Uuid::from_u128(7));
const THEIRS: ClientId = ClientId(Uuid::from_u128(8));

#[derive(Debug, Default)]
struct Source(AtomicUsize);

#[async_trait]
impl CallSource for Source {
    async fn caught_up(&self, _: Position) {}

    async fn call(&self, _: ClientId, call: CallId) -> Result<Option<String>, StoreUnavailable> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Some(format!("{{\"id\":\"{call}\"}}")))
    }
}

struct World {
    log: Arc<MemoryEventStore>,
    source: Arc<Source>,
    boards: CallBoards,
    written: AtomicU64,
}

impl World {
    fn start() -> Self {
        let (log, source) = (Arc::new(MemoryEventStore::new()), Arc::<Source>::default());
        let (feed, stop) = (CallFeed::new(log.clone()), CancellationToken::new());
        tokio::spawn(feed.clone().run(stop.clone()));
        let boards = CallBoards::new(feed, source.clone(), stop);
        Self { log, source, boards, written: AtomicU64::new(0) }
    }

    async fn write(&self, client: ClientId, call: u128) {
        let number = u128::from(self.written.fetch_add(1, Ordering::Relaxed) + 1);
        let event = NewEvent {
            id: Uuid::from_u128(number),
            event_type: "call.noted".to_owned(),
            schema: 1,
            client_id: client,
            payload: vec![0x80],
            metadata: Metadata::system("test", Uuid::from_u128(number)),
            recorded_at: DateTime::UNIX_EPOCH,
        };
        self.log.append(&CallId(Uuid::from_u128(call)).stream(), Expected::Any, vec![event]).await.unwrap();
    }

    async fn watch(&self, from: u64) -> BoardWatch {
        self.boards.watch(OURS, Position(from), self.log.head().await.unwrap())
    }

    fn reads(&self) -> usize {
        self.source.0.load(Ordering::Relaxed)
    }
}

/// The ids of the next events of the stream.
async fn ids(watch: &mut BoardWatch) -> Vec<u64> {
    let text = watch.next().await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_change_is_read_once_however_many_streams_tell_it() {
    let world = World::start();
    let mut watches = Vec::new();
    for _ in 0..500 {
        watches.push(world.watch(0).await);
    }
    for round in 1..=3 {
        world.write(OURS, 1).await;
        let told = futures::future::join_all(watches.iter_mut().map(ids)).await;
        assert!(told.iter().all(|ids| *ids == [round]), "{told:?}");
    }
    assert_eq!(world.reads(), 3);
}

#[tokio::test]
async fn other_clients_changes_are_not_told_and_not_read() {
    let world = World::start();
    let mut watch = world.watch(0).await;
    world.write(THEIRS, 1).await;
    world.write(OURS, 2).await;
    assert_eq!((ids(&mut watch).await, world.reads()), (vec![2], 1));
    assert_eq!(watch.position(), Position(2));
}

#[tokio::test]
async fn whoever_resumes_is_told_what_lies_between_and_all_who_do_read_it_once() {
    let world = World::start();
    for call in 1..=3 {
        world.write(OURS, call).await;
    }
    let mut watches = Vec::new();
    for _ in 0..50 {
        watches.push(world.watch(1).await);
    }
    let told = futures::future::join_all(watches.iter_mut().map(ids)).await;
    assert!(told.iter().all(|ids| *ids == [2, 3]), "{told:?}");
    assert_eq!(world.reads(), 2);
    world.write(OURS, 9).await;
    assert_eq!(ids(&mut watches[0]).await, [4]);
}

#[tokio::test]
async fn a_stream_that_is_too_slow_for_what_is_kept_misses_nothing() {
    let world = World::start();
    let (mut slow, mut quick) = (world.watch(0).await, world.watch(0).await);
    for round in 1..=KEPT as u64 + 9 {
        world.write(OURS, u128::from(round)).await;
        assert_eq!(ids(&mut quick).await, [round]);
    }
    let mut told = Vec::new();
    while told.len() < KEPT + 9 {
        told.extend(ids(&mut slow).await);
    }
    assert_eq!(told, (1..=KEPT as u64 + 9).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_board_goes_with_its_last_watcher_and_comes_again() {
    let world = World::start();
    drop(world.watch(0).await);
    while !lock(&world.boards.0.of_client).is_empty() {
        tokio::task::yield_now().await;
    }
    world.write(OURS, 1).await;
    let mut watch = world.watch(0).await;
    assert_eq!(ids(&mut watch).await, [1]);
}
