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
use adapters::testing::call_lives::{append_lives, call, client};
use adapters::testing::postgres::Cluster;
use domain::ports::event_store::EventStore;
use domain::ports::outbox::OutboxStore;
use hdrhistogram::Histogram;
use projections::calls::{CallFilter, CallQueries};
use projections::page::PageRequest;
use projections::runner::{Deps, Settings, start};

const CLIENTS: u64 = 4;
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
    each("how far the work has come", 2_000, async |_| {
        OutboxStore::checkpoint(&work).await.unwrap();
    })
    .await;
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
