//! How many durable events a second the log takes, and how long one append waits: 64 writers and a lone one.
//!
//! `cargo bench -p tests --bench append [-- sqlite|postgres]`. Beside each figure stands the limit of the
//! machine, measured in the same run: one-row transactions of the database alone, and bare flushes of a file.
//! Files go to the temporary folder; point `TMPDIR` at the disk to measure.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::event_store::{PostgresEventStore, SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use adapters::testing::postgres::Cluster;
use domain::envelope::{Actor, Metadata, NewEvent, Position, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::ids::Ids;
use hdrhistogram::Histogram;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

const RUNS: usize = 5;
const LENGTH: Duration = Duration::from_secs(3);
/// A call of this many events, then the writer goes on with the next one.
const EVENTS_A_STREAM: u64 = 25;
const PAGE: usize = 1_000;

/// What the database alone does: one row a transaction, one after the other.
macro_rules! one_row_commits {
    ($connection:expr, $insert:literal) => {
        let mut latencies = Histogram::new(3).unwrap();
        let started = Instant::now();
        while started.elapsed() < LENGTH {
            let asked = Instant::now();
            sqlx::query($insert).bind([0x5a_u8; 400].as_slice()).execute($connection).await.unwrap();
            latencies.record(asked.elapsed().as_micros() as u64).unwrap();
        }
        let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
        report("limit: one-row commits", vec![(rate, latencies)]);
    };
}

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |engine: &str| wanted.is_empty() || wanted.iter().any(|name| name == engine);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if wants("sqlite") {
            sqlite().await;
        }
        if wants("postgres") {
            postgres().await;
        }
    });
}

async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    println!(
        "sqlite, 400-byte payloads, {RUNS} runs of {LENGTH:?}, median run shown (all runs in brackets, in order)"
    );
    flushes(folder.path());
    let mut connection = SqliteConnectOptions::new()
        .filename(folder.path().join("raw.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await
        .unwrap();
    sqlx::query("CREATE TABLE rows (n INTEGER PRIMARY KEY, bytes BLOB)")
        .execute(&mut connection)
        .await
        .unwrap();
    one_row_commits!(&mut connection, "INSERT INTO rows (bytes) VALUES (?)");
    connection.close().await.unwrap();
    let path = folder.path().join("events.db");
    let store = Arc::new(SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap());
    appends(Arc::clone(&store) as Arc<dyn EventStore>).await;
    store.close().await;
    let cold = SqliteEventStore::open_read_only(&path).await.unwrap();
    reads(&cold).await;
}

async fn postgres() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().unwrap();
    println!(
        "postgres, 400-byte payloads, {RUNS} runs of {LENGTH:?}, median run shown (all runs in brackets, in order)"
    );
    flushes(folder.path());
    let mut connection =
        cluster.database().await.options().unwrap().disable_statement_logging().connect().await.unwrap();
    sqlx::query("CREATE TABLE rows (n bigserial PRIMARY KEY, bytes bytea)")
        .execute(&mut connection)
        .await
        .unwrap();
    one_row_commits!(&mut connection, "INSERT INTO rows (bytes) VALUES ($1)");
    connection.close().await.unwrap();
    let url = cluster.database().await;
    let store = Arc::new(PostgresEventStore::open(&url).await.unwrap());
    appends(Arc::clone(&store) as Arc<dyn EventStore>).await;
    store.close().await;
    let cold = PostgresEventStore::open_read_only(&url).await.unwrap();
    reads(&cold).await;
}

async fn appends(store: Arc<dyn EventStore>) {
    for writers in [64, 1] {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(run(&store, writers).await);
        }
        report(&format!("{writers} writers"), runs);
    }
}

/// Events a second, and the latencies of single appends in microseconds.
async fn run(store: &Arc<dyn EventStore>, writers: usize) -> (f64, Histogram<u64>) {
    let started = Instant::now();
    let tasks: Vec<_> =
        (0..writers).map(|_| tokio::spawn(write(Arc::clone(store), started + LENGTH))).collect();
    let mut all = Histogram::new(3).unwrap();
    for task in tasks {
        all.add(task.await.unwrap()).unwrap();
    }
    (all.len() as f64 / started.elapsed().as_secs_f64(), all)
}

async fn write(store: Arc<dyn EventStore>, until: Instant) -> Histogram<u64> {
    let mut latencies = Histogram::new(3).unwrap();
    let (mut stream, mut version) = (StreamId::new("call", RandomIds.next()), 0);
    while Instant::now() < until {
        if version == EVENTS_A_STREAM {
            (stream, version) = (StreamId::new("call", RandomIds.next()), 0);
        }
        let events = vec![event(stream.id())];
        let asked = Instant::now();
        store.append(&stream, Expected::Exact(Version(version)), events).await.unwrap();
        latencies.record(asked.elapsed().as_micros() as u64).unwrap();
        version += 1;
    }
    latencies
}

fn event(call: uuid::Uuid) -> NewEvent {
    let id = RandomIds.next();
    NewEvent {
        id,
        event_type: "call.answered".to_owned(),
        schema: 1,
        client_id: ClientId(uuid::Uuid::from_u128(1)),
        payload: vec![0x5a; 400],
        metadata: Metadata {
            correlation_id: call,
            causation_id: Some(id),
            actor: Actor::Carrier("telnyx".to_owned()),
            request_id: None,
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            command_id: Some(id),
            node: Some("node-1".to_owned()),
        },
        recorded_at: Time::from_timestamp_micros(1_767_225_600_000_000).unwrap(),
    }
}

async fn reads(store: &dyn EventStore) {
    let mut rates = Vec::new();
    let mut count = 0;
    for _ in 0..RUNS {
        let started = Instant::now();
        let mut after = Position::START;
        while let Some(last) = store.read_all(after, PAGE).await.unwrap().last() {
            after = last.position;
            if after.0 >= 500_000 {
                break;
            }
        }
        count = after.0;
        rates.push(after.0 as f64 / started.elapsed().as_secs_f64());
    }
    println!(
        "  {:<22}{:>9.0} events/s {}  ({count} events, pages of {PAGE})",
        "read_all",
        median(&rates),
        list(&rates)
    );
}

/// The least a durable write can cost: 4 KiB appended to a file and flushed.
fn flushes(folder: &Path) {
    let mut file = File::create(folder.join("flush")).unwrap();
    let mut latencies = Histogram::new(3).unwrap();
    let started = Instant::now();
    while started.elapsed() < LENGTH {
        let asked = Instant::now();
        file.write_all(&[0x5a; 4096]).unwrap();
        file.sync_data().unwrap();
        latencies.record(asked.elapsed().as_micros() as u64).unwrap();
    }
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    report("limit: file flushes", vec![(rate, latencies)]);
}

fn report(name: &str, mut runs: Vec<(f64, Histogram<u64>)>) {
    let rates: Vec<_> = runs.iter().map(|run| run.0).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (rate, latencies) = &runs[runs.len() / 2];
    let [p50, p99, max] =
        [0.5, 0.99, 1.0].map(|quantile| latencies.value_at_quantile(quantile) as f64 / 1_000.0);
    println!(
        "  {name:<22}{rate:>9.0}/s  p50 {p50:>7.3} ms  p99 {p99:>7.3} ms  max {max:>8.3} ms  {}",
        list(&rates)
    );
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn list(rates: &[f64]) -> String {
    if rates.len() < 2 {
        return String::new();
    }
    let rates: Vec<_> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    format!("[{}]", rates.join(" "))
}
