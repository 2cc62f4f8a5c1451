//! Copies of a log: every engine to every engine, cut off, damaged, written meanwhile, and into places that hold something.

mod keys;
mod seals;
mod target;

use std::any::Any;
use std::sync::Arc;

use adapters::event_store::{EventLog, Target};
use adapters::log_copy::{Copied, LogCopyError, Stage, Watch, copy_log};
use adapters::testing::postgres::Cluster;
use async_trait::async_trait;
use conformance::log_target::events;
use domain::envelope::{Metadata, NewEvent, Position, Recorded, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::merkle::{Entry, Frontier};
use domain::ports::event_store::{EventStore, Expected, ReadError};
use domain::ports::log_target::{LogTarget, WriteError};
use domain::testing::ids::sequential;
use fake_kurrentdb::FakeKurrentDb;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use uuid::Uuid;

/// An empty place for a log, and what must outlive it.
struct Place {
    target: Target,
    _keep: Box<dyn Any + Send + Sync>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
    Kurrent,
}

const ENGINES: [Engine; 3] = [Engine::Sqlite, Engine::Postgres, Engine::Kurrent];

async fn place(engine: Engine) -> Place {
    match engine {
        Engine::Sqlite => {
            let folder = tempfile::tempdir().unwrap();
            Place { target: Target::sqlite(folder.path().join("events.db")), _keep: Box::new(folder) }
        }
        Engine::Postgres => {
            let url = Cluster::shared().database().await.to_string();
            let target = url.replacen("://", "://voxledger@", 1).parse().unwrap();
            Place { target, _keep: Box::new(()) }
        }
        Engine::Kurrent => {
            let server = FakeKurrentDb::start().await.unwrap();
            Place { target: server.address().parse().unwrap(), _keep: Box::new(server) }
        }
    }
}

/// Fills a place with `count` events of several streams, as a node does.
async fn filled(place: &Place, count: u64) -> Vec<Recorded> {
    let log = EventLog::open(&place.target).await.unwrap();
    let store = log.store();
    let (mut n, mut versions) = (0, [0_u64; 7]);
    while n < count {
        let stream = (n * n % 7) as usize;
        let batch: Vec<_> =
            (n + 1..=count.min(n + 1 + n % 4)).map(|n| event(n, (n * 37 % 900) as usize)).collect();
        n += batch.len() as u64;
        let expected = Expected::Exact(Version(versions[stream]));
        let appended = store.append(&StreamId::new("call", sequential(stream as u64)), expected, batch).await;
        versions[stream] = appended.unwrap().version.0;
    }
    let events = read(&store).await;
    log.close().await;
    assert_eq!(events.len() as u64, count);
    events
}

fn event(n: u64, bytes: usize) -> NewEvent {
    NewEvent {
        id: sequential(1_000 + n),
        event_type: "call.noted".to_owned(),
        schema: 1 + (n % 3) as u16,
        client_id: ClientId(Uuid::from_u128(n.into())),
        payload: vec![n as u8; bytes],
        metadata: Metadata {
            causation_id: n.is_multiple_of(2).then(|| sequential(n)),
            request_id: Some(format!("ü \u{0} {n}")),
            ..Metadata::system("test", sequential(n))
        },
        recorded_at: Time::from_timestamp_micros(1_700_000_000_000_000 + (n as i64 * 7_919) % 10_007)
            .unwrap(),
    }
}

async fn read(store: &Arc<dyn EventStore>) -> Vec<Recorded> {
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let page = store.read_all(Position(events.len() as u64), 1_000).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

async fn events_in(place: &Place) -> Vec<Recorded> {
    let log = EventLog::open_read_only(&place.target).await.unwrap();
    let events = read(&log.store()).await;
    log.close().await;
    events
}

async fn copy(from: &Place, to: &Place, batch: usize) -> Result<Copied, LogCopyError> {
    let source = EventLog::open_read_only(&from.target).await.unwrap();
    let mut target = to.target.open_for_copy().await.unwrap();
    let copied = copy_log(&source.store(), &mut *target, batch, &mut ()).await;
    target.close().await;
    source.close().await;
    copied
}

fn root(events: &[Recorded]) -> domain::merkle::Hash {
    let mut tree = Frontier::default();
    events.iter().for_each(|event| tree.push(Entry::of(events[0].id, event).leaf()));
    tree.root()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_engine_is_copied_to_every_engine_event_by_event() {
    for from in ENGINES {
        let source = place(from).await;
        let original = filled(&source, 700).await;
        for to in ENGINES {
            let target = place(to).await;
            let copied = copy(&source, &target, 97).await.unwrap();
            let wanted =
                Copied { log: Some(original[0].id), events: 700, before: 0, root: root(&original), grown: 0 };
            assert_eq!(copied, wanted, "{from:?} to {to:?}");
            assert_eq!(events_in(&target).await, original, "{from:?} to {to:?}");
            // a node goes on with the copy where it would have gone on with the log
            let log = EventLog::open(&target.target).await.unwrap();
            let (store, call) = (log.store(), StreamId::new("call", sequential(99)));
            let next = store.append(&call, Expected::NoStream, vec![event(701, 1)]).await.unwrap();
            assert_eq!(next.first_position, Position(701), "{from:?} to {to:?}");
            // a repeat from before the move is recognised after it
            let (first, same) = (&original[0], event(1, 0));
            let again = store.append(&first.stream, Expected::Any, vec![NewEvent { id: first.id, ..same }]);
            assert!(again.await.unwrap().repeated, "{from:?} to {to:?}");
            log.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_goes_on_where_it_ended_and_with_what_the_source_got_since() {
    let source = place(Engine::Sqlite).await;
    let original = filled(&source, 500).await;
    for engine in ENGINES {
        let target = place(engine).await;
        let mut half = target.target.open_for_copy().await.unwrap();
        half.write(&original[..123]).await.unwrap();
        half.close().await;
        let copied = copy(&source, &target, 64).await.unwrap();
        assert_eq!((copied.events, copied.before), (500, 123), "{engine:?}");
        // once more: there is nothing left to do
        let copied = copy(&source, &target, 64).await.unwrap();
        assert_eq!((copied.events, copied.before, copied.root), (500, 500, root(&original)), "{engine:?}");
        assert_eq!(events_in(&target).await, original, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_log_is_copied_to_an_empty_log_and_to_no_other() {
    let (source, target) = (place(Engine::Sqlite).await, place(Engine::Postgres).await);
    filled(&source, 0).await;
    assert_eq!(copy(&source, &target, 10).await.unwrap().log, None);
    filled(&target, 3).await;
    let refused = copy(&source, &target, 10).await.unwrap_err();
    assert!(
        matches!(refused, LogCopyError::Longer { target: 3, source_has: 0 }) && refused.is_fault(),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_holds_something_else_is_refused_and_left_as_it_was() {
    let source = place(Engine::Sqlite).await;
    let original = filled(&source, 60).await;
    for engine in ENGINES {
        for differs in [1, 31, 50] {
            let target = place(engine).await;
            let mut other = original[..50].to_vec();
            other[differs - 1].payload = b"something else".as_slice().into();
            let mut fill = target.target.open_for_copy().await.unwrap();
            fill.write(&other).await.unwrap();
            fill.close().await;
            let refused = copy(&source, &target, 7).await.unwrap_err();
            assert!(
                matches!(refused, LogCopyError::Other { position } if position == differs as u64),
                "{engine:?}: {refused}"
            );
            assert!(refused.is_fault());
            assert_eq!(events_in(&target).await, other, "{engine:?}");
        }
        let target = place(engine).await;
        let longer = filled(&target, 61).await;
        let refused = copy(&source, &target, 7).await.unwrap_err();
        assert!(
            matches!(refused, LogCopyError::Longer { target: 61, source_has: 60 }),
            "{engine:?}: {refused}"
        );
        assert_eq!(events_in(&target).await, longer, "{engine:?}");
    }
}

/// Lets a test act between two pages of a copy.
struct After<F>(Stage, u64, Option<F>);

impl<F: FnOnce() + Send> Watch for After<F> {
    fn at(&mut self, stage: Stage, at: u64, _: u64) {
        if stage == self.0
            && at >= self.1
            && let Some(act) = self.2.take()
        {
            act();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_grows_meanwhile_is_told_and_the_rest_follows_with_the_next_copy() {
    for engine in ENGINES {
        let (source, target) = (place(engine).await, place(Engine::Postgres).await);
        filled(&source, 200).await;
        let node = EventLog::open(&source.target).await.unwrap();
        let reader = EventLog::open_read_only(&source.target).await.unwrap();
        let mut into = target.target.open_for_copy().await.unwrap();
        let (store, runtime) = (node.store(), tokio::runtime::Handle::current());
        let grow = move || {
            let append = async {
                for n in 0..5 {
                    let call = StreamId::new("call", sequential(500 + n));
                    store.append(&call, Expected::NoStream, vec![event(900 + n, 9)]).await.unwrap();
                }
            };
            tokio::task::block_in_place(|| runtime.block_on(append));
        };
        let mut watch = After(Stage::Copying, 1, Some(grow));
        let copied = copy_log(&reader.store(), &mut *into, 50, &mut watch).await.unwrap();
        assert_eq!((copied.events, copied.grown), (200, 5), "{engine:?}");
        let copied = copy_log(&reader.store(), &mut *into, 50, &mut ()).await.unwrap();
        assert_eq!((copied.events, copied.before, copied.grown), (205, 200, 0), "{engine:?}");
        into.close().await;
        reader.close().await;
        node.close().await;
        assert_eq!(events_in(&target).await, events_in(&source).await, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_something_else_writes_meanwhile_is_refused() {
    let source = place(Engine::Sqlite).await;
    filled(&source, 200).await;
    for engine in [Engine::Postgres, Engine::Kurrent] {
        let target = place(engine).await;
        let mut into = target.target.open_for_copy().await.unwrap();
        let node = EventLog::open(&target.target).await.unwrap();
        let (store, runtime) = (node.store(), tokio::runtime::Handle::current());
        let meddle = move || {
            let call = StreamId::new("call", sequential(500));
            let append = store.append(&call, Expected::NoStream, vec![event(900, 9)]);
            tokio::task::block_in_place(|| runtime.block_on(append)).unwrap();
        };
        let reader = EventLog::open_read_only(&source.target).await.unwrap();
        let mut watch = After(Stage::Copying, 1, Some(meddle));
        let refused = copy_log(&reader.store(), &mut *into, 50, &mut watch).await.unwrap_err();
        assert!(
            matches!(refused, LogCopyError::Write { first: 51, .. }) && refused.is_fault(),
            "{engine:?}: {refused}"
        );
        into.close().await;
        reader.close().await;
        node.close().await;
        // and from then on it is no copy of this log
        let refused = copy(&source, &target, 50).await.unwrap_err();
        assert!(matches!(refused, LogCopyError::Other { position: 51 }), "{engine:?}: {refused}");
    }
}

async fn raw_sqlite(place: &Place, sql: &str) {
    let Target::Database(adapters::database::Database::Sqlite(path)) = &place.target else {
        panic!("no file")
    };
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut tool = options.connect().await.unwrap();
    tool.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_damaged_in_the_middle_stops_the_copy_before_the_damage() {
    for (damage, words) in [
        ("DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE position = 150", "150"),
        (
            "DROP TRIGGER events_are_never_changed; UPDATE events SET id = 'no id' WHERE position = 150",
            "position 150",
        ),
        (
            "DROP TRIGGER events_are_never_changed; UPDATE events SET stream = 'call' WHERE position = 150",
            "position 150",
        ),
    ] {
        let source = place(Engine::Sqlite).await;
        let original = filled(&source, 200).await;
        raw_sqlite(&source, damage).await;
        for engine in ENGINES {
            let target = place(engine).await;
            let stopped = copy(&source, &target, 20).await.unwrap_err();
            let text = adapters::database::chain_in_words(&stopped);
            assert!(
                matches!(stopped, LogCopyError::Source { .. }) && stopped.is_fault(),
                "{engine:?}: {text}"
            );
            assert!(text.contains(words), "{engine:?}: {text}");
            let there = events_in(&target).await;
            assert!(there.len() < 150 && there == original[..there.len()], "{engine:?}: {}", there.len());
        }
    }
}

/// A target that loses a byte on the way.
#[derive(Debug)]
struct Careless(Box<dyn LogTarget>);

#[async_trait]
impl LogTarget for Careless {
    async fn write(&mut self, events: &[Recorded]) -> Result<(), WriteError> {
        let mut events = events.to_vec();
        for event in &mut events {
            if event.position == Position(30) {
                event.payload.truncate(event.payload.len() - 1);
            }
        }
        self.0.write(&events).await
    }

    fn log(&self) -> Arc<dyn EventStore> {
        self.0.log()
    }

    async fn close(self: Box<Self>) {
        self.0.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_not_the_same_is_found_by_its_root_and_then_by_its_event() {
    let (source, target) = (place(Engine::Sqlite).await, place(Engine::Sqlite).await);
    filled(&source, 50).await;
    let reader = EventLog::open_read_only(&source.target).await.unwrap();
    let mut careless = Careless(target.target.open_for_copy().await.unwrap());
    let found = copy_log(&reader.store(), &mut careless, 20, &mut ()).await.unwrap_err();
    assert!(matches!(found, LogCopyError::Roots { events: 50 }), "{found}");
    let found = copy_log(&reader.store(), &mut careless, 20, &mut ()).await.unwrap_err();
    assert!(matches!(found, LogCopyError::Other { position: 30 }), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_no_fault_of_the_log() {
    let cluster = Cluster::start();
    let url = cluster.database().await.to_string().replacen("://", "://voxledger@", 1);
    let source = place(Engine::Sqlite).await;
    filled(&source, 200).await;
    let reader = EventLog::open_read_only(&source.target).await.unwrap();
    let mut target = url.parse::<Target>().unwrap().open_for_copy().await.unwrap();
    let mut watch = After(Stage::Copying, 100, Some(|| cluster.kill()));
    let failed = copy_log(&reader.store(), &mut *target, 50, &mut watch).await.unwrap_err();
    assert!(!failed.is_fault(), "{failed}");
    drop(target);
    cluster.resume();
    let mut target = url.parse::<Target>().unwrap().open_for_copy().await.unwrap();
    let copied = copy_log(&reader.store(), &mut *target, 50, &mut ()).await.unwrap();
    assert!(copied.events == 200 && copied.before >= 100, "{copied:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_ends_earlier_than_it_said_is_an_older_copy() {
    let (source, target) = (place(Engine::Sqlite).await, place(Engine::Sqlite).await);
    filled(&source, 50).await;
    let reader = EventLog::open_read_only(&source.target).await.unwrap();
    let mut into = target.target.open_for_copy().await.unwrap();
    let store: Arc<dyn EventStore> = Arc::new(Forgetful(reader.store()));
    let found = copy_log(&store, &mut *into, 20, &mut ()).await.unwrap_err();
    let LogCopyError::Source { error: ReadError::Rewound { .. }, .. } = &found else { panic!("{found}") };
    assert!(found.is_fault());
}

/// A log that says that it is longer than it is.
#[derive(Debug)]
struct Forgetful(Arc<dyn EventStore>);

#[async_trait]
impl EventStore for Forgetful {
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<domain::ports::event_store::Appended, domain::ports::event_store::AppendError> {
        self.0.append(stream, expected, events).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: domain::ports::event_store::Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.0.read_stream(stream, from, direction, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        self.0.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, ReadError> {
        Ok(self.0.head().await?.plus(7))
    }

    async fn wait_past(&self, after: Position) {
        self.0.wait_past(after).await;
    }

    fn engine(&self) -> &'static str {
        self.0.engine()
    }
}
