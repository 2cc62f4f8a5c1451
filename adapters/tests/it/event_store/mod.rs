//! The event store suites, and what is particular to each engine.

mod fairness;
mod kurrent;
mod memory;
mod nodes;
mod outages;
mod postgres;
mod private;
mod recent;
mod sqlite;

use adapters::database::{Database, Part, migrate_down, migrate_up, migration_status};
use domain::envelope::{Metadata, NewEvent, Position, Recorded, StreamId, Time};
use domain::ids::ClientId;
use domain::ports::event_store::EventStore;
use domain::testing::ids::sequential;
use uuid::Uuid;

fn stream(n: u64) -> StreamId {
    StreamId::new("call", sequential(n))
}

fn event(n: u64) -> NewEvent {
    NewEvent {
        id: sequential(n),
        event_type: "call.noted".to_owned(),
        schema: 1,
        client_id: ClientId(Uuid::from_u128(1)),
        payload: n.to_be_bytes().to_vec(),
        metadata: Metadata::system("test", sequential(n)),
        recorded_at: Time::from_timestamp_micros(1_767_225_600_000_000).unwrap(),
    }
}

/// The whole log; fails at a hole.
async fn log(store: &dyn EventStore) -> Vec<Recorded> {
    let mut log: Vec<Recorded> = Vec::new();
    loop {
        let page = store.read_all(Position(log.len() as u64), 1_000).await.unwrap();
        if page.is_empty() {
            return log;
        }
        for event in page {
            assert_eq!(event.position, Position(log.len() as u64 + 1), "positions have a hole or repeat");
            log.push(event);
        }
    }
}

/// Up, up again, down, down again, and up once more.
async fn goes_up_and_down(database: &Database) {
    let applied = async || migration_status(database, Part::Log).await.unwrap().iter().all(|one| one.applied);
    assert!(!applied().await);
    for _ in 0..2 {
        migrate_up(database, Part::Log).await.unwrap();
        assert!(applied().await);
    }
    for _ in 0..2 {
        migrate_down(database, Part::Log, 1).await.unwrap();
        assert!(!applied().await);
    }
    migrate_up(database, Part::Views).await.unwrap();
    migrate_up(database, Part::Log).await.unwrap();
    assert!(applied().await);
}
