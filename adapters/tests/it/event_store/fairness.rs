//! One client's appends do not wait behind all of another's.

use adapters::event_store::{
    MemoryEventStore, PostgresEventStore, SqliteEventStore, SqliteSettings, WriterLimits,
};
use adapters::testing::postgres::Cluster;
use domain::ports::event_store::{AppendError, Expected};
use futures::future::{join, join_all};

use super::*;

const QUEUED: u64 = 2_000;

fn of(client: u128, n: u64) -> NewEvent {
    NewEvent { client_id: ClientId(Uuid::from_u128(client)), ..event(n) }
}

/// All of one client's appends stand in the queue before the other's comes: the runtime has one thread, and the writer
/// gets it only once everybody waits.
async fn another_client_is_written_with_the_first_batch(store: impl EventStore) {
    let many = join_all((1..=QUEUED).map(|n| {
        let (store, stream) = (&store, stream(n));
        async move { store.append(&stream, Expected::NoStream, vec![of(1, n)]).await }
    }));
    let (many_stream, lone_stream) = (QUEUED + 1, stream(QUEUED + 1));
    let lone = store.append(&lone_stream, Expected::NoStream, vec![of(2, many_stream)]);
    let (many, lone) = join(many, lone).await;
    assert!(many.iter().all(Result::is_ok));
    let position = lone.unwrap().last_position;
    assert!(position <= Position(64), "it stands at {position}, behind {QUEUED} of another client's");
    assert_eq!(log(&store).await.len() as u64, QUEUED + 1);
}

#[tokio::test]
async fn memory_lets_clients_take_turns() {
    another_client_is_written_with_the_first_batch(MemoryEventStore::new()).await;
}

#[tokio::test]
async fn sqlite_lets_clients_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteEventStore::open(&folder.path().join("events.db"), &SqliteSettings::default()).await;
    another_client_is_written_with_the_first_batch(store.unwrap()).await;
}

#[tokio::test]
async fn postgres_lets_clients_take_turns() {
    let url = Cluster::shared().database().await;
    another_client_is_written_with_the_first_batch(PostgresEventStore::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn a_full_queue_refuses_the_newest_of_whoever_has_most_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let writer = WriterLimits { queue: 8.try_into().unwrap(), ..WriterLimits::default() };
    let settings = SqliteSettings { writer, ..SqliteSettings::default() };
    let store = SqliteEventStore::open(&folder.path().join("events.db"), &settings).await.unwrap();
    let one = |client: u128, n: u64| {
        let (store, stream) = (&store, stream(n));
        async move { store.append(&stream, Expected::NoStream, vec![of(client, n)]).await }
    };
    let (first, second) =
        join(join_all((1..=10).map(|n| one(1, n))), join_all((11..=13).map(|n| one(2, n)))).await;
    let refused = |answers: &[Result<_, AppendError>]| {
        let overloaded = |answer: &&Result<_, _>| matches!(answer, Err(AppendError::Overloaded { .. }));
        answers.iter().filter(overloaded).count()
    };
    assert_eq!((refused(&first), refused(&second)), (5, 0));
    assert!(first[..5].iter().all(Result::is_ok), "those that came first are kept");
}
