//! Snapshots are sealed under the keys of all whose data is in the stream, and gone with any of them.

use std::sync::Arc;
use std::time::Duration;

use adapters::database::Database;
use adapters::event_store::MemoryEventStore;
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use adapters::outbox::SqlOutbox;
use adapters::privacy::{EncryptingEventStore, SealedSnapshots};
use adapters::testing::call_lives::{call, client, life, new_event};
use adapters::testing::postgres::Cluster;
use conformance::fakes::clock::ManualClock;
use domain::envelope::Version;
use domain::ports::event_store::{Direction, EventStore, Expected};
use domain::ports::snapshots::{Snapshot, Snapshots};
use domain::privacy::Subject;

const PERSON: &str = "+12025000001";
const STATE: &[u8] = b"she said that her name is Quillfeather";

async fn whatever_is_erased_takes_its_snapshots_along(work: Database, keys: &std::path::Path) {
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let keys = KeysDb::open(&Database::Sqlite(keys.to_owned())).await.unwrap();
    let vault = KeyVault::new(keys.clone(), MasterKey::new([1; 32]), clock.clone(), Arc::new(RandomIds));
    let log = EncryptingEventStore::new(shared, vault.subject_keys(Duration::from_secs(30)));
    let work = SqlOutbox::open(&work).await.unwrap();
    let snapshots = SealedSnapshots::new(log.clone(), work.clone(), clock);
    for n in [1, 2] {
        let events =
            life(n).iter().zip(0..).map(|(event, step)| new_event(n, step, client(1), event)).collect();
        log.append(&call(n).stream(), Expected::NoStream, events).await.unwrap();
    }
    let stream = call(1).stream();
    let events = log.read_stream(&stream, Version::NONE, Direction::Forwards, 100).await.unwrap();
    let last = events.last().unwrap();
    let of = |version, event| Snapshot { client: client(1), version, event, state: STATE.to_vec() };
    assert_eq!(snapshots.load(client(1), &stream).await.unwrap(), None);
    // a later one takes the place of an earlier one
    snapshots.save(&stream, &of(events[3].version, events[3].id)).await.unwrap();
    snapshots.save(&stream, &of(last.version, last.id)).await.unwrap();
    assert_eq!(snapshots.load(client(1), &stream).await.unwrap(), Some(of(last.version, last.id)));
    assert_eq!(snapshots.load(client(1), &call(2).stream()).await.unwrap(), None);
    assert_eq!(snapshots.load(client(2), &stream).await.unwrap(), None, "it is another client's");

    let person = log.keys().pseudonym(client(1), &Subject::of_party(PERSON).unwrap()).await.unwrap();
    assert!(!log.keys().destroy(client(1), person).await.unwrap().is_empty());
    assert_eq!(snapshots.load(client(1), &stream).await.unwrap(), None, "it is read no more");
    snapshots.save(&stream, &of(last.version, last.id)).await.unwrap();
    assert_eq!(snapshots.load(client(1), &stream).await.unwrap(), None, "nothing of her is kept again");
    work.close().await;
    keys.close().await;
}

#[tokio::test]
async fn on_sqlite_whatever_is_erased_takes_its_snapshots_along_and_no_file_tells_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work.db");
    whatever_is_erased_takes_its_snapshots_along(
        Database::Sqlite(work.clone()),
        &folder.path().join("keys.db"),
    )
    .await;
    let stored = std::fs::read(work).unwrap();
    assert!(!stored.windows(12).any(|part| part == b"Quillfeather"));
}

#[tokio::test]
async fn on_postgresql_whatever_is_erased_takes_its_snapshots_along() {
    let folder = tempfile::tempdir().unwrap();
    let work = Database::Postgres(Cluster::shared().database().await);
    whatever_is_erased_takes_its_snapshots_along(work, &folder.path().join("keys.db")).await;
}
