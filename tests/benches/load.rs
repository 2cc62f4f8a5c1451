//! More than a node can do, one client beside another, and many streams.
//!
//! `cargo bench -p tests --bench load [-- fairness|overload|streams]`, after `cargo build --release`; other numbers
//! of connections as `connections=500,1000`, of streams as `streams=100`. 8,000 connections need `ulimit -n 20000`. What is
//! told are ratios within a run: quiet and loaded take turns on the same machine.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench that fails panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;
use tests::client::{Api, TEST_KEY};
use tests::load::{Load, Report, get, post};
use tests::server::{Server, ServerOptions};
use tests::until::until;
use tests::webhook::{Leg, OUR_NUMBER, request, signer, unix_now};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const AT: &str = "2026-01-15T10:20:30.123456Z";
const ROUNDS: usize = 3;
/// How long each load lasts.
const LASTS: Duration = Duration::from_secs(10);
/// How long a load goes on before anything beside it is measured.
const SETTLE: Duration = Duration::from_secs(2);

fn main() {
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let numbers = |name: &str| -> Option<Vec<usize>> {
        let given = args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))?;
        Some(given.split(',').map(|number| number.parse().expect("a number")).collect())
    };
    let named: Vec<_> = args.iter().filter(|arg| !arg.contains('=')).collect();
    let wants = |name: &str| named.is_empty() || named.iter().any(|wanted| *wanted == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if wants("fairness") {
            fairness().await;
        }
        if wants("overload") {
            overload(&numbers("connections").unwrap_or_else(|| vec![64, 2_000, 8_000])).await;
        }
        if wants("streams") {
            streams(&numbers("streams").unwrap_or_else(|| vec![100, 1_000, 5_000])).await;
        }
    });
}

fn start(folder: &std::path::Path) -> Server {
    let options = ServerOptions::embedded(folder)
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "4294967295")
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "4294967295");
    Server::start(&options).unwrap()
}

async fn another_client(api: &Api) -> Api {
    let made = api.post("/api/v1/auth/clients", json!({"name": "Another"})).await.unwrap().data().unwrap();
    api.with_key(made["plain_key"].as_str())
}

fn ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1_000.0
}

fn add_number(number: u64, key: &str) -> Vec<u8> {
    let body = json!({"number": format!("+1{number:010}"), "route": {"type": "agent"}}).to_string();
    post("/api/v1/numbers", &[("Authorization", &format!("Bearer {key}"))], body.as_bytes())
}

/// One request after the other, with a pause between them.
async fn one_by_one(server: &Server, requests: Vec<Vec<u8>>) -> Report {
    let requests = Arc::new(requests);
    let load = Load { address: server.address().to_owned(), connections: 1, rate: Some(20.0), requests };
    load.run().await.unwrap()
}

async fn fairness() {
    println!("a client that writes 20 times a second, alone and beside 60 writers of another client");
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let api = Api::new(&server.base).unwrap();
    let calm = another_client(&api).await;
    calm.use_own_carrier().await.unwrap();
    let calm = calm.key().unwrap().to_owned();
    let numbers = AtomicU64::new(2_000_000_000);
    let some = |count: u64, key: &str| -> Vec<Vec<u8>> {
        let first = numbers.fetch_add(count, Ordering::Relaxed);
        (first..first + count).map(|number| add_number(number, key)).collect()
    };
    for round in 1..=ROUNDS {
        let quiet = one_by_one(&server, some(100, &calm)).await;
        assert_eq!(quiet.failed, 0, "writes that fail are no measure");
        let flood = Load {
            address: server.address().to_owned(),
            connections: 60,
            rate: None,
            requests: Arc::new(some(200_000, TEST_KEY)),
        };
        let beside = async {
            tokio::time::sleep(SETTLE).await;
            one_by_one(&server, some(100, &calm)).await
        };
        let flood_for = async { flood.run_for(SETTLE + Duration::from_secs(6)).await.unwrap() };
        let (flood, beside) = tokio::join!(flood_for, beside);
        println!(
            "round {round}: alone p50 {:.1} p99 {:.1} ms; beside {:.0} writes/s p50 {:.1} p99 {:.1} ms (failed {}); p99 x {:.1}, p50 x {:.1}; the others p50 {:.1} p99 {:.1} ms",
            quiet.latency_ms(0.5),
            quiet.latency_ms(0.99),
            flood.per_second(),
            beside.latency_ms(0.5),
            beside.latency_ms(0.99),
            beside.failed,
            beside.latency_ms(0.99) / quiet.latency_ms(0.99),
            beside.latency_ms(0.5) / quiet.latency_ms(0.5),
            flood.latency_ms(0.5),
            flood.latency_ms(0.99),
        );
    }
}

/// Webhooks that begin a call each.
fn calls(first: u64, count: u64) -> Vec<Vec<u8>> {
    let (signer, now) = (signer(), unix_now().to_string());
    let event = |n| Leg::inbound(n).initiated(AT).to_string();
    (first..first + count).map(|n| request(&signer, &now, event(n).as_bytes())).collect()
}

/// Returns once every view shows all that was taken.
async fn settled(api: &Api) {
    let shown = async || {
        let state = api.with_key(None).get("/readyz").await?.body;
        let views = state["projections"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok((!views.is_empty() && views.iter().all(|view| view["lag_events"] == 0)).then_some(()))
    };
    until("the views to show all that was taken", Duration::from_secs(300), shown).await.unwrap();
}

/// What a process has used of all processors.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

async fn overload(connections: &[usize]) {
    println!("signed webhooks of new calls, as fast as they go");
    let mut first = 1_000_000;
    let mut best: f64 = 0.0;
    for &connections in connections {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path());
        let api = Api::new(&server.base).unwrap();
        let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
        api.post("/api/v1/numbers", number).await.unwrap().data().unwrap();
        let idle = server.resident_bytes().unwrap();
        let requests = Arc::new(calls(first, 60_000));
        first += 60_000;
        let load = Load { address: server.address().to_owned(), connections, rate: None, requests };
        let (begun, used) = (Instant::now(), cpu_seconds(server.pid()));
        let report = load.run_for(LASTS).await.unwrap();
        settled(&api).await;
        let (took, used) = (begun.elapsed().as_secs_f64(), cpu_seconds(server.pid()) - used);
        let after = server.resident_bytes().unwrap();
        let taken = report.per_second() * report.elapsed.as_secs_f64();
        let sustained = taken / took;
        best = best.max(sustained);
        let warnings = server.printed().lines().filter(|line| line.contains("WARN")).count();
        println!(
            "{connections:>6} connections: {:>6.0}/s taken, {sustained:.0}/s until the views show all ({:.0} % of the best), {:.2} CPU-ms each, {:>6.0}/s refused, p50 {:.0} p99 {:.0} ms, {warnings} warnings, {} MB resident after, {} MB before",
            report.per_second(),
            100.0 * sustained / best,
            1_000.0 * used / taken,
            report.failed as f64 / report.elapsed.as_secs_f64(),
            report.latency_ms(0.5),
            report.latency_ms(0.99),
            after >> 20,
            idle >> 20,
        );
    }
}

/// Reads a stream and counts its events.
async fn listen(address: String, key: String, told: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(&get("/api/v1/calls/stream", &key)).await.unwrap();
    let mut buffer = vec![0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let events = buffer[..read].windows(11).filter(|window| *window == b"event: call").count();
        told.fetch_add(events as u64, Ordering::Relaxed);
    }
}

async fn streams(counts: &[usize]) {
    println!("reads of a client at 100/s beside 10 new calls a second, which another client's streams tell");
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let api = Api::new(&server.base).unwrap();
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    api.post("/api/v1/numbers", number).await.unwrap().data().unwrap();
    let other = another_client(&api).await;
    let read = get("/api/v1/calls?limit=10", other.key().unwrap());
    let mut first = 9_000_000;
    let mut measured = async || {
        let changing = Load {
            address: server.address().to_owned(),
            connections: 4,
            rate: Some(10.0),
            requests: Arc::new(calls(first, 100)),
        };
        first += 100;
        let reading = Load {
            address: server.address().to_owned(),
            connections: 4,
            rate: Some(100.0),
            requests: Arc::new(vec![read.clone(); 1_000]),
        };
        let (changing, reading) = tokio::join!(changing.run(), reading.run());
        changing.unwrap();
        reading.unwrap()
    };
    measured().await;
    for &count in counts {
        let quiet = measured().await;
        let told = Arc::new(AtomicU64::new(0));
        let mut listeners = tokio::task::JoinSet::new();
        for _ in 0..count {
            listeners.spawn(listen(server.address().to_owned(), TEST_KEY.to_owned(), told.clone()));
        }
        tokio::time::sleep(SETTLE).await;
        let begun = Instant::now();
        let before = told.load(Ordering::Relaxed);
        let beside = measured().await;
        let told = told.load(Ordering::Relaxed) - before;
        println!(
            "{count:>6} streams, {:.0} events told a second: quiet p50 {:.1} p99 {:.1} ms; beside p50 {:.1} p99 {:.1} ms; p99 x {:.1}, p50 x {:.1}",
            told as f64 / begun.elapsed().as_secs_f64(),
            ms(&quiet.latency, 0.5),
            ms(&quiet.latency, 0.99),
            ms(&beside.latency, 0.5),
            ms(&beside.latency, 0.99),
            beside.latency_ms(0.99) / quiet.latency_ms(0.99),
            beside.latency_ms(0.5) / quiet.latency_ms(0.5),
        );
        listeners.abort_all();
    }
}
