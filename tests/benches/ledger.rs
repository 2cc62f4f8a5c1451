//! How many durable postings a second the ledgers take from 64 writers: on one account, and on one account each. Beside it
//! stands what bare appends of one event reach in the same run. Then what a hold and a charge add to a single call, beside
//! a bare append.
//!
//! `cargo bench -p tests --bench ledger`. Files go to the temporary folder; point `TMPDIR` at the disk to measure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that fails panics")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::billing::{Ledger, LedgerOptions};
use actors::{Runtime, TraceHooks};
use adapters::clock::SystemClock;
use adapters::event_store::{SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use domain::billing::account::{Change, CreditRequest};
use domain::billing::{BillingTerms, Component, CostItem, Currency, Rated, Unit};
use domain::envelope::{Metadata, NewEvent, StreamId};
use domain::ids::{CallId, ClientId, TransactionId};
use domain::ports::clock::Clock;
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::ids::Ids;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const WRITERS: u128 = 64;
const LENGTH: Duration = Duration::from_secs(5);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for run in 1..=3 {
            let raw = raw().await;
            let (one, many) = (postings(1).await, postings(WRITERS).await);
            let share = |rate: f64| 100.0 * rate / raw;
            let added = added_to_a_call().await;
            println!(
                "run {run}: bare appends {raw:.0}/s; postings on one account {one:.0}/s ({:.0} %), on {WRITERS} accounts \
                 {many:.0}/s ({:.0} %)",
                share(one),
                share(many)
            );
            for (what, mut waits) in added {
                waits.sort_unstable();
                let at = |share: f64| waits[(waits.len() as f64 * share) as usize].as_secs_f64() * 1_000.0;
                println!("run {run}: one {what} at a time: p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99));
            }
        }
    });
}

async fn store(folder: &std::path::Path) -> Arc<dyn EventStore> {
    let path = folder.join("log.db");
    Arc::new(SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap())
}

/// Bare appends of one event of 400 bytes, each to a stream of its writer.
async fn raw() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let (store, ids) = (store(folder.path()).await, Arc::new(RandomIds));
    let began = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let (store, ids) = (store.clone(), ids.clone());
        tokio::spawn(async move {
            let mut count = 0_u64;
            while began.elapsed() < LENGTH {
                let event = bare(ids.next(), Uuid::from_u128(writer));
                let stream = StreamId::new("bench", Uuid::from_u128(writer + 1));
                store.append(&stream, Expected::Any, vec![event]).await.unwrap();
                count += 1;
            }
            count
        })
    });
    rate(futures::future::join_all(writers).await, began)
}

/// An event of 400 bytes.
fn bare(id: Uuid, correlation_id: Uuid) -> NewEvent {
    NewEvent {
        id,
        event_type: "bench.appended".to_owned(),
        schema: 1,
        client_id: ClientId(Uuid::from_u128(1)),
        payload: vec![0x5a; 400],
        metadata: Metadata::system("bench", correlation_id),
        recorded_at: SystemClock.now(),
    }
}

async fn runtime(folder: &std::path::Path) -> Runtime {
    Runtime {
        store: store(folder).await,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        node: "bench".into(),
        trace: TraceHooks::default(),
        snapshots: None,
    }
}

/// How long a bare append takes, a hold for a call, and its charge, each alone.
async fn added_to_a_call() -> [(&'static str, Vec<Duration>); 3] {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime(folder.path()).await;
    let ledger = Ledger::new(runtime.clone(), LedgerOptions::default(), CancellationToken::new());
    let client = ClientId(Uuid::from_u128(1));
    let terms = BillingTerms { prepaid: true, ..BillingTerms::default() };
    let request = |change| CreditRequest { terms, change, ..charge(&runtime) };
    let grant = Change::Grant { amount: 1_000_000_000_000, reason: "bench".to_owned() };
    ledger.post(client, request(grant), None).await.unwrap();
    let (mut appends, mut holds, mut charges) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..2_000 {
        let began = Instant::now();
        let event = bare(runtime.ids.next(), client.0);
        let stream = StreamId::new("bench", event.id);
        runtime.store.append(&stream, Expected::NoStream, vec![event]).await.unwrap();
        appends.push(began.elapsed());
        let charge = charge(&runtime);
        let Change::Charge { call, .. } = charge.change else { panic!("a charge") };
        let began = Instant::now();
        ledger.post(client, request(Change::Hold { call, amount: 24_000 }), None).await.unwrap();
        holds.push(began.elapsed());
        let began = Instant::now();
        ledger.post(client, CreditRequest { terms, ..charge }, None).await.unwrap();
        charges.push(began.elapsed());
    }
    [("bare append", appends), ("hold", holds), ("charge", charges)]
}

/// Charges of calls of two items, by 64 writers on so many accounts.
async fn postings(accounts: u128) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime(folder.path()).await;
    let ledger = Ledger::new(runtime.clone(), LedgerOptions::default(), CancellationToken::new());
    let began = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let (ledger, runtime) = (ledger.clone(), runtime.clone());
        tokio::spawn(async move {
            let client = ClientId(Uuid::from_u128(1 + writer % accounts));
            let mut count = 0_u64;
            while began.elapsed() < LENGTH {
                ledger.post(client, charge(&runtime), None).await.unwrap();
                count += 1;
            }
            count
        })
    });
    rate(futures::future::join_all(writers).await, began)
}

fn charge(runtime: &Runtime) -> CreditRequest {
    let item = |component| CostItem {
        component,
        provider: "telnyx".to_owned(),
        model: String::new(),
        quantity: 60,
        unit: Unit::Second,
        price: 12_000,
        per: 60,
        amount: 12_000,
    };
    let items = vec![item(Component::Carrier), item(Component::Platform)];
    let rated = Rated { currency: Currency::USD, items, provider_cost: 10_000 };
    CreditRequest {
        id: TransactionId(runtime.ids.next()),
        currency: Some(Currency::USD),
        terms: BillingTerms::default(),
        change: Change::Charge { call: CallId(runtime.ids.next()), seen: 1, rated, agent: None },
        now: runtime.clock.now(),
    }
}

fn rate(counts: Vec<Result<u64, tokio::task::JoinError>>, began: Instant) -> f64 {
    let sum: u64 = counts.into_iter().map(Result::unwrap).sum();
    sum as f64 / began.elapsed().as_secs_f64()
}
