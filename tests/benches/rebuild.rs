//! How fast views are rebuilt from a long log, how soon a node with a long log is ready, and how fast
//! one call is read.
//!
//! `cargo bench -p tests --bench rebuild [-- sqlite|postgres] [events=300000]`. Beside the rebuild stands its
//! limit, measured in the same run: only reading the log. Files go to the temporary folder; point `TMPDIR` at
//! the disk to measure.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::clock::SystemClock;
use adapters::event_store::{PostgresEventStore, SqliteEventStore, SqliteSettings};
use adapters::read_models::{PostgresSettings, SqlViews};
use adapters::testing::call_lives::{append_lives, call, client};
use adapters::testing::postgres::Cluster;
use domain::envelope::Position;
use domain::ports::event_store::EventStore;
use projections::runner::{Deps, Settings, rebuild, start};

const RUNS: usize = 5;
/// Calls alive at the same time while the log was written.
const LIVE: usize = 200;
const CLIENTS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let events =
        wanted.iter().find_map(|arg| arg.strip_prefix("events=")).map_or(300_000, |n| n.parse().unwrap());
    let engines: Vec<_> = wanted.iter().filter(|arg| !arg.contains('=')).collect();
    let wants = |engine: &str| engines.is_empty() || engines.iter().any(|name| *name == engine);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if wants("sqlite") {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("events.db");
            let log = SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap();
            let calls = fill(Arc::new(log), events).await;
            // opened anew, so that nothing of it is in memory
            let log = SqliteEventStore::open_read_only(&path).await.unwrap();
            let views = SqlViews::open_sqlite(&folder.path().join("views.db")).await.unwrap();
            measure("sqlite", Arc::new(log), views, calls).await;
        }
        if wants("postgres") {
            let cluster = Cluster::start();
            let url = cluster.database().await;
            let calls = fill(Arc::new(PostgresEventStore::open(&url).await.unwrap()), events).await;
            let log = PostgresEventStore::open_read_only(&url).await.unwrap();
            let views = SqlViews::open_postgres(&url, PostgresSettings::default()).await.unwrap();
            measure("postgres", Arc::new(log), views, calls).await;
        }
    });
}

/// Appends about so many events; answers how many calls they make.
async fn fill(log: Arc<dyn EventStore>, events: u64) -> u64 {
    let calls = events * 10 / 115;
    let started = Instant::now();
    let events = append_lives(&log, 0..calls, LIVE, CLIENTS).await.unwrap();
    println!("{events} events of {calls} calls appended in {:.1?}", started.elapsed());
    calls
}

async fn measure(engine: &str, log: Arc<dyn EventStore>, views: SqlViews, calls: u64) {
    let deps = Deps {
        log: log.clone(),
        views: Arc::new(views.clone()),
        clock: Arc::new(SystemClock),
        owner: "bench".to_owned(),
    };
    let settings = Settings::default();
    let head = log.head().await.unwrap();

    let started = Instant::now();
    let runner = start(deps.clone(), settings.clone());
    assert!(runner.progress().wait_for(head, PATIENCE).await);
    println!("{engine}: all five views from nothing to ready in {:.2?}", started.elapsed());
    runner.stop().await;

    let mut reads = Vec::new();
    let mut rebuilds = Vec::new();
    for _ in 0..RUNS {
        reads.push(read(&log, settings.page).await);
        let report = rebuild(&deps, &settings, "calls", &mut |_| {}).await.unwrap();
        assert!(report.difference.is_equal(), "{:?}", report.difference);
        rebuilds.push(report.events as f64 / report.applying.as_secs_f64());
    }
    println!("{engine}: limit, reading the log only: {}", median(reads, "events/s"));
    println!("{engine}: rebuild of calls: {}", median(rebuilds, "events/s"));

    let mut ready = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        let runner = start(deps.clone(), settings.clone());
        assert!(runner.progress().wait_for(head, PATIENCE).await);
        ready.push(started.elapsed().as_secs_f64() * 1_000.0);
        runner.stop().await;
    }
    println!("{engine}: a restart is ready after {}", median(ready, "ms"));
    for readers in [1, 32] {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(gets(&views, calls, readers).await);
        }
        println!("{engine}: reading one call, {readers} at a time: {}", median(runs, "reads/s"));
    }
}

/// Events a second of reading the whole log.
async fn read(log: &Arc<dyn EventStore>, page: usize) -> f64 {
    let started = Instant::now();
    let mut after = Position::START;
    loop {
        let events = log.read_all(after, page).await.unwrap();
        let Some(last) = events.last() else { break };
        after = last.position;
    }
    after.0 as f64 / started.elapsed().as_secs_f64()
}

/// Reads a second of single calls, here and there.
async fn gets(views: &SqlViews, calls: u64, readers: u64) -> f64 {
    const LENGTH: Duration = Duration::from_secs(1);
    let started = Instant::now();
    let tasks: Vec<_> = (0..readers)
        .map(|reader| {
            let views = views.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while started.elapsed() < LENGTH {
                    let n = (reader * 7_919 + done * 104_729) % calls;
                    let found = (&views as &dyn projections::Queries)
                        .one::<projections::calls::Calls>(client(n % CLIENTS + 1), call(n))
                        .await
                        .unwrap();
                    assert!(found.is_some());
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    done as f64 / started.elapsed().as_secs_f64()
}

fn median(mut runs: Vec<f64>, unit: &str) -> String {
    runs.sort_by(f64::total_cmp);
    let all: Vec<_> = runs.iter().map(|run| format!("{run:.0}")).collect();
    format!("{:.0} {unit} [{}]", runs[runs.len() / 2], all.join(" "))
}
