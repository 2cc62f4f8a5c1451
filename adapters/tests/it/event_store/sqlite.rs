use std::sync::Arc;

use adapters::event_store::SqliteEventStore;
use domain::ports::conformance::event_store::{Faults, Subject};

async fn fresh() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let store =
        SqliteEventStore::open_with_faults(&folder.path().join("events.db"), faults.clone()).await.unwrap();
    Subject { store: Arc::new(store), faults, keep: Box::new(folder) }
}

domain::event_store_suite!(super::fresh);
domain::event_store_fault_suite!(super::fresh);
