//! What a read of the views costs on PostgreSQL.
//!
//! `cargo bench -p adapters --bench views [-- calls=20000]`. One reader, one question after the other, on a
//! server of its own on 127.0.0.1: it is latencies that are measured, and the fastest of several runs is shown.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::event_store::MemoryEventStore;
use adapters::outbox::SqlOutbox;
use adapters::read_models::{PostgresSettings, SqlViews};
use adapters::testing::call_lives::{append_lives, call, client, new_event, start as begin};
use adapters::testing::postgres::Cluster;
use domain::call::{CallEvent, CallMetadata, Queued};
use domain::customer::{CustomerCreated, CustomerEvent, Profile, ProfilePatch};
use domain::ids::CustomerId;
use domain::phone::Party;
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::outbox::OutboxStore;
use hdrhistogram::Histogram;
use projections::calls::{CallFilter, CallQueries};
use projections::customers::{CustomerQueries as _, CustomerView, Customers, TimelineKind};
use projections::page::PageRequest;
use projections::runner::{Deps, Settings, start};

const CLIENTS: u64 = 4;
const CUSTOMER: CustomerId = CustomerId(uuid::Uuid::from_u128(77));
const RUNS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let calls = std::env::args().find_map(|arg| arg.strip_prefix("calls=").map(|n| n.parse().unwrap()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(calls.unwrap_or(20_000)));
}

async fn measure(calls: u64) {
    let cluster = Cluster::start();
    let url = cluster.database().await;
    let views = SqlViews::open_postgres(&url, PostgresSettings::default()).await.unwrap();
    let work = SqlOutbox::open(&Database::Postgres(url)).await.unwrap();
    let log: Arc<dyn EventStore> = Arc::new(MemoryEventStore::default());
    append_lives(&log, 0..calls, 64, CLIENTS).await.unwrap();
    a_customer(&log, calls).await;
    let head = log.head().await.unwrap();
    let started = Instant::now();
    let clock = Arc::new(SystemClock);
    let deps = Deps { log, views: Arc::new(views.clone()), clock, owner: "bench".to_owned() };
    let runner = start(deps, Settings::default());
    assert!(runner.progress().wait_for(head, PATIENCE).await);
    println!("{head} events of {calls} calls in all views after {:.2?}", started.elapsed());
    runner.stop().await;

    let (all, page) = (CallFilter::default(), PageRequest::default());
    let tagged = CallFilter { metadata: vec![("order".to_owned(), "9".to_owned())], ..CallFilter::default() };
    each("one call by its id", 2_000, async |n| {
        let n = n % calls;
        assert!(
            (&views as &dyn projections::Queries)
                .one::<projections::calls::Calls>(client(n % CLIENTS + 1), call(n))
                .await
                .unwrap()
                .is_some()
        );
    })
    .await;
    each("the newest page of a client's calls", 500, async |n| {
        let found = views.calls(client(n % CLIENTS + 1), &all, &page).await.unwrap();
        assert_eq!(found.items.len(), page.capped_limit());
    })
    .await;
    each("calls by metadata only one has", 20, async |n| {
        views.calls(client(n % CLIENTS + 1), &tagged, &page).await.unwrap();
    })
    .await;
    let shown = (&views as &dyn projections::Queries).one::<Customers>(client(1), CUSTOMER).await;
    let links = serde_json::from_str::<CustomerView>(&shown.unwrap().unwrap().json).unwrap().links();
    each("a customer's timeline of 1,000 calls", 1_000, async |_| {
        let found = views.timeline(client(1), &links, &TimelineKind::ALL, &page).await.unwrap();
        assert_eq!(found.entries.len(), page.capped_limit());
    })
    .await;
    each("how far the work has come", 2_000, async |_| {
        OutboxStore::checkpoint(&work).await.unwrap();
    })
    .await;
}

/// A customer with 1,000 calls, among all others.
async fn a_customer(log: &Arc<dyn EventStore>, calls: u64) {
    const PHONE: &str = "+12025550101";
    let patch = ProfilePatch { phones: Some(vec![PHONE.parse().unwrap()]), ..ProfilePatch::default() };
    let created = CustomerCreated { profile: patch.on(&Profile::default()), at: begin() };
    let created = new_event(calls, 0, client(1), &CustomerEvent::from(created));
    log.append(&CUSTOMER.stream(), Expected::Any, vec![created]).await.unwrap();
    for n in calls + 1..=calls + 1_000 {
        let queued = Queued {
            command_id: CUSTOMER.0,
            to: Party::new(PHONE).into(),
            from: None,
            agent_id: None,
            menu_id: None,
            metadata: CallMetadata::new().into(),
            customer_id: None,
            max_duration_ms: 60_000,
            ring_timeout_ms: 5_000,
            record: false,
            runtime: domain::agent::AgentRuntime::Carrier,
            at: begin() + Duration::from_secs(n),
        };
        let queued = new_event(n, 0, client(1), &CallEvent::from(queued));
        log.append(&call(n).stream(), Expected::Any, vec![queued]).await.unwrap();
    }
}

async fn each(name: &str, rounds: u64, mut ask: impl AsyncFnMut(u64)) {
    let mut best: Option<Histogram<u64>> = None;
    for _ in 0..RUNS {
        let mut run = Histogram::new(3).unwrap();
        for n in 0..rounds {
            let begin = Instant::now();
            ask(n).await;
            run.record(begin.elapsed().as_nanos() as u64).unwrap();
        }
        let better = |best: &Histogram<u64>| run.value_at_quantile(0.5) < best.value_at_quantile(0.5);
        if best.as_ref().is_none_or(better) {
            best = Some(run);
        }
    }
    let best = best.unwrap();
    let at = |quantile| Duration::from_nanos(best.value_at_quantile(quantile));
    println!("{name:<40} median {:>9.1?}   99 of 100 {:>9.1?}", at(0.5), at(0.99));
}
