//! The log with its personal data sealed is a log like any other.

use std::sync::Arc;
use std::time::Duration;

use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::event_store::MemoryEventStore;
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use adapters::privacy::EncryptingEventStore;
use conformance::event_store::{Faults, Subject};

async fn fresh() -> Subject {
    let faults = Faults::default();
    let folder = tempfile::tempdir().unwrap();
    let db = KeysDb::open(&Database::Sqlite(folder.path().join("keys.db"))).await.unwrap();
    let vault = KeyVault::new(db, MasterKey::new([1; 32]), Arc::new(SystemClock), Arc::new(RandomIds));
    let inner = Arc::new(MemoryEventStore::with_faults(faults.clone()));
    let store = Arc::new(EncryptingEventStore::new(inner, vault.subject_keys(Duration::from_secs(30))));
    Subject { store, faults, keep: Box::new(folder) }
}

conformance::event_store_suite!(super::fresh);
conformance::event_store_fault_suite!(super::fresh);
