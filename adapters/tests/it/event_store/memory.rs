use std::sync::Arc;

use adapters::event_store::MemoryEventStore;
use conformance::event_store::{Faults, Subject};

async fn fresh() -> Subject {
    let faults = Faults::default();
    let store = Arc::new(MemoryEventStore::with_faults(faults.clone()));
    Subject { store, faults, keep: Box::new(()) }
}

conformance::event_store_suite!(super::fresh);
conformance::event_store_fault_suite!(super::fresh);
