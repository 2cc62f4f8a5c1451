//! KurrentDB: the suites, and what is particular to it.
//!
//! They run on a fake server, which also fails on demand. With `VOXLEDGER_TEST_KURRENTDB` set to an address, the suites
//! run on that server instead, each case in streams of its own.

mod numbers;
mod outages;
mod start;

use std::sync::Arc;

use adapters::event_store::{KurrentAddress, KurrentEventStore, WriterLimits};
use adapters::ids::RandomIds;
use conformance::event_store::{Faults, Subject};
use domain::ports::ids::Ids as _;
use fake_kurrentdb::{FakeKurrentDb, Settings};

async fn fresh() -> Subject {
    let faults = Faults::default();
    let (address, keep): (String, Box<dyn std::any::Any + Send + Sync>) =
        match std::env::var("VOXLEDGER_TEST_KURRENTDB") {
            Ok(address) => (address, Box::new(())),
            Err(_) => {
                let server = server().await;
                (server.address(), Box::new(server))
            }
        };
    let join = if address.contains('?') { '&' } else { '?' };
    let own = format!("{address}{join}streamPrefix=test_{}.", RandomIds.next().simple());
    let store = KurrentEventStore::open_with_faults(&own.parse().unwrap(), faults.clone()).await.unwrap();
    Subject { store: Arc::new(store), faults, keep }
}

conformance::event_store_suite!(super::fresh);
conformance::event_store_fault_suite!(super::fresh);

async fn server() -> FakeKurrentDb {
    FakeKurrentDb::start().await.unwrap()
}

async fn cluster(nodes: usize) -> FakeKurrentDb {
    FakeKurrentDb::start_with(Settings { nodes, ..Settings::default() }).await.unwrap()
}

fn address(server: &FakeKurrentDb) -> KurrentAddress {
    server.address().parse().unwrap()
}

async fn open(server: &FakeKurrentDb) -> KurrentEventStore {
    KurrentEventStore::open_with(&address(server), WriterLimits::default()).await.unwrap()
}
