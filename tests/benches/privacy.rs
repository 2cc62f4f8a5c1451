//! What the encryption of personal data costs appends and rebuilds.
//!
//! `cargo bench -p tests --bench privacy [-- sqlite|postgres] [calls=20000]`. The same calls are appended to a log as
//! they are and to one whose personal fields are sealed, in turns within the same run; then a view is rebuilt from
//! either, in turns. First every call is with
//! somebody new, who needs a key; then with people who called before.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::event_store::{PostgresEventStore, SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use adapters::privacy::EncryptingEventStore;
use adapters::read_models::{PostgresSettings, SqlViews};
use adapters::testing::call_lives::{call, client, life, new_event};
use adapters::testing::postgres::Cluster;
use domain::call::CallEvent;
use domain::ports::event_store::{EventStore, Expected};
use projections::runner::{Deps, Settings, rebuild, start};

/// Parts the calls are appended in, in turns.
const PARTS: u64 = 20;
const REBUILDS: usize = 5;
/// People who call again and again.
const KNOWN: u64 = 500;
/// Appends under way at the same time.
const WRITERS: usize = 64;
const CLIENTS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(600);
const KEY_LIFE: Duration = Duration::from_secs(30);

/// A log, with what is measured of it.
struct Side {
    name: &'static str,
    log: Arc<dyn EventStore>,
    views: SqlViews,
    appends: Vec<f64>,
    rebuilds: Vec<f64>,
}

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let calls =
        wanted.iter().find_map(|arg| arg.strip_prefix("calls=")).map_or(20_000, |n| n.parse().unwrap());
    let engines: Vec<_> = wanted.iter().filter(|arg| !arg.contains('=')).collect();
    let wants = |engine: &str| engines.is_empty() || engines.iter().any(|name| *name == engine);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if wants("sqlite") {
            let folder = tempfile::tempdir().unwrap();
            let mut sides = Vec::new();
            for name in ["plain", "sealed"] {
                let file = |kind: &str| folder.path().join(format!("{name}-{kind}.db"));
                let log = SqliteEventStore::open(&file("events"), &SqliteSettings::default()).await.unwrap();
                let views = SqlViews::open_sqlite(&file("views")).await.unwrap();
                sides.push(side(name, Arc::new(log), views, &Database::Sqlite(file("keys"))).await);
            }
            measure("sqlite", sides, calls).await;
        }
        if wants("postgres") {
            let cluster = Cluster::start();
            let mut sides = Vec::new();
            for name in ["plain", "sealed"] {
                let url = cluster.database().await;
                let log = PostgresEventStore::open(&url).await.unwrap();
                let views = SqlViews::open_postgres(&url, PostgresSettings::default()).await.unwrap();
                sides.push(side(name, Arc::new(log), views, &Database::Postgres(url)).await);
            }
            measure("postgres", sides, calls).await;
        }
    });
}

async fn side(name: &'static str, log: Arc<dyn EventStore>, views: SqlViews, keys: &Database) -> Side {
    let log = if name == "sealed" {
        let keys = KeysDb::open(keys).await.unwrap();
        let vault = KeyVault::new(keys, MasterKey::new([1; 32]), Arc::new(SystemClock), Arc::new(RandomIds));
        let private = EncryptingEventStore::new(log, vault.subject_keys(KEY_LIFE));
        Arc::new(private) as Arc<dyn EventStore>
    } else {
        log
    };
    Side { name, log, views, appends: Vec::new(), rebuilds: Vec::new() }
}

async fn measure(engine: &str, mut sides: Vec<Side>, calls: u64) {
    let part = calls / PARTS;
    for turn in 0..PARTS {
        for at in turns(turn) {
            let side = &mut sides[at];
            let started = Instant::now();
            let events = appends(&side.log, turn * part..(turn + 1) * part, calls).await;
            side.appends.push(events as f64 / started.elapsed().as_secs_f64());
        }
    }
    show(engine, "appends, each call with somebody new", &sides, |side| &side.appends);
    for side in &mut sides {
        side.appends.clear();
    }
    for turn in 0..PARTS {
        for at in turns(turn) {
            let side = &mut sides[at];
            let started = Instant::now();
            let range = calls + turn * part..calls + (turn + 1) * part;
            let events = appends(&side.log, range, KNOWN).await;
            side.appends.push(events as f64 / started.elapsed().as_secs_f64());
        }
    }
    show(engine, "appends, calls with people who called before", &sides, |side| &side.appends);
    let settings = Settings::default();
    let deps = |side: &Side| Deps {
        log: side.log.clone(),
        views: Arc::new(side.views.clone()),
        clock: Arc::new(SystemClock),
        owner: "bench".to_owned(),
    };
    for side in &sides {
        let runner = start(deps(side), settings.clone());
        assert!(runner.progress().wait_for(side.log.head().await.unwrap(), PATIENCE).await);
        runner.stop().await;
    }
    for view in ["calls", "transcripts"] {
        for side in &mut sides {
            side.rebuilds.clear();
        }
        for turn in 0..REBUILDS as u64 {
            for at in turns(turn) {
                let report = rebuild(&deps(&sides[at]), &settings, view, &mut |_| {}).await.unwrap();
                assert!(report.difference.is_equal(), "{:?}", report.difference);
                let rate = report.events as f64 / report.applying.as_secs_f64();
                sides[at].rebuilds.push(rate);
            }
        }
        show(engine, &format!("rebuild of {view}"), &sides, |side| &side.rebuilds);
    }
}

/// Writers that each take one call after the other, event by event, and wait for each append; a webhook's receipt and
/// what follows from it are one append. Answers how many events that were.
async fn appends(log: &Arc<dyn EventStore>, calls: std::ops::Range<u64>, people: u64) -> u64 {
    let next = Arc::new(AtomicU64::new(calls.start));
    let writers = (0..WRITERS).map(|_| {
        let (log, next) = (log.clone(), next.clone());
        tokio::spawn(async move {
            let mut written = 0;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= calls.end {
                    return written;
                }
                let stream = call(n).stream();
                let mut together = Vec::new();
                for (event, step) in life(n % people).iter().zip(0..) {
                    together.push(new_event(n, step, client(n % CLIENTS + 1), event));
                    if !matches!(event, CallEvent::CarrierEventReceived(_)) {
                        written += together.len() as u64;
                        log.append(&stream, Expected::Any, std::mem::take(&mut together)).await.unwrap();
                    }
                }
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap().into_iter().sum()
}

/// Neither is always the first.
fn turns(turn: u64) -> [usize; 2] {
    if turn.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

fn show(engine: &str, what: &str, sides: &[Side], rates: impl Fn(&Side) -> &Vec<f64>) {
    for side in sides {
        let all: Vec<_> = rates(side).iter().map(|rate| format!("{rate:.0}")).collect();
        println!("{engine}: {what}, {}: {:.0} events/s [{}]", side.name, median(rates(side)), all.join(" "));
    }
    // of each turn, in which both meet the same machine
    let pairs = rates(&sides[0]).iter().zip(rates(&sides[1]));
    let costs: Vec<f64> = pairs.map(|(plain, sealed)| 100.0 * (1.0 - sealed / plain)).collect();
    let all: Vec<_> = costs.iter().map(|cost| format!("{cost:.0}")).collect();
    println!(
        "{engine}: {what}: encryption costs {:.1} % (median of turns) [{}]",
        median(&costs),
        all.join(" ")
    );
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
