//! How many events a second `voxledger log copy` moves from SQLite to PostgreSQL: 1,000,000 events of 400 bytes.
//!
//! `cargo bench -p tests --bench copy [-- EVENTS]`. Beside it stands the limit of the server, measured in the same run: the
//! same rows by `INSERT … SELECT` within the server, into a table with the same indexes. Files go to the temporary
//! folder; point `TMPDIR` at the disk to measure.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::time::Instant;

use adapters::event_store::{EventLog, Target};
use adapters::ids::RandomIds;
use adapters::log_copy::{BATCH, copy_log};
use adapters::testing::postgres::Cluster;
use domain::envelope::{Actor, Metadata, Position, Recorded, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::ports::ids::Ids as _;
use sqlx::{ConnectOptions as _, Executor as _};
use uuid::Uuid;

const RUNS: usize = 3;
const EVENTS: u64 = 1_000_000;
/// A call of this many events; 64 calls are under way at any time.
const EVENTS_A_STREAM: u64 = 25;
const CALLS: usize = 64;

fn main() {
    let count = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(EVENTS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(count));
}

async fn run(count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let from = Target::sqlite(folder.path().join("events.db"));
    fill(&from, count).await;
    let cluster = Cluster::start();
    println!("{count} events of 400 bytes, SQLite to PostgreSQL, {RUNS} runs");
    let (mut copying, mut again, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let url = cluster.database().await;
        let to: Target = url.to_string().replacen("://", "://voxledger@", 1).parse().unwrap();
        let source = EventLog::open_read_only(&from).await.unwrap();
        let mut target = to.open_for_copy().await.unwrap();
        let began = Instant::now();
        let copied = copy_log(&source.store(), &mut *target, BATCH, &mut ()).await.unwrap();
        copying.push(count as f64 / began.elapsed().as_secs_f64());
        assert_eq!((copied.events, copied.before), (count, 0));
        // what a move waits for once the node is stopped: everything is there, and compared
        let compared = Instant::now();
        let copied = copy_log(&source.store(), &mut *target, BATCH, &mut ()).await.unwrap();
        again.push(count as f64 / compared.elapsed().as_secs_f64());
        assert_eq!(copied.before, count);
        target.close().await;
        source.close().await;

        let mut tool = url.options().unwrap().disable_statement_logging().connect().await.unwrap();
        tool.execute("CREATE TABLE raw (LIKE events INCLUDING ALL)").await.unwrap();
        let began = Instant::now();
        tool.execute("INSERT INTO raw SELECT * FROM events ORDER BY position").await.unwrap();
        limits.push(count as f64 / began.elapsed().as_secs_f64());
    }
    let limit = median(&limits);
    for (name, rates) in [
        ("limit: the server alone", &limits),
        ("copied, read back, root compared", &copying),
        ("compared once more", &again),
    ] {
        let rate = median(rates);
        println!(
            "  {name:<34}{rate:>9.0} events/s  {:>4.0} % of the limit  {}",
            100.0 * rate / limit,
            list(rates)
        );
    }
}

async fn fill(target: &Target, count: u64) {
    let mut log = target.open_for_copy().await.unwrap();
    let mut calls: Vec<(StreamId, u64)> = (0..CALLS).map(|_| (new_call(), 0)).collect();
    let mut at = 0;
    while at < count {
        let upto = count.min(at + BATCH as u64);
        let events: Vec<_> = (at + 1..=upto)
            .map(|n| {
                let (call, version) = &mut calls[n as usize % CALLS];
                if *version == EVENTS_A_STREAM {
                    (*call, *version) = (new_call(), 0);
                }
                *version += 1;
                event(n, call.clone(), *version)
            })
            .collect();
        log.write(&events).await.unwrap();
        at = upto;
    }
    log.close().await;
}

fn new_call() -> StreamId {
    StreamId::new("call", RandomIds.next())
}

fn event(n: u64, stream: StreamId, version: u64) -> Recorded {
    let id = RandomIds.next();
    let metadata = Metadata {
        correlation_id: stream.id(),
        causation_id: Some(id),
        actor: Actor::Carrier("telnyx".to_owned()),
        request_id: None,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        command_id: Some(id),
        node: Some("node-1".to_owned()),
    };
    Recorded {
        position: Position(n),
        stream,
        version: Version(version),
        id,
        event_type: "call.answered".to_owned(),
        schema: 1,
        client_id: ClientId(Uuid::from_u128(1)),
        payload: vec![n as u8; 400].into(),
        metadata: serde_json::to_vec(&metadata).unwrap().into(),
        recorded_at: Time::from_timestamp_micros(1_767_225_600_000_000 + n as i64).unwrap(),
    }
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn list(rates: &[f64]) -> String {
    let rates: Vec<_> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    format!("[{}]", rates.join(" "))
}
