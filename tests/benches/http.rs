//! The node over HTTP: webhooks taken, calls read, memory of live actors, restart.
//!
//! `cargo bench -p tests --bench http [-- webhooks|sustained|reads|actors|restart]`, after `cargo build --release`.
//! Load generator, carrier and node share the machine. Beside each figure stands the limit measured in the same
//! run: an empty actix handler under the same load, and for answers after a commit, raw commits of SQLite.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use adapters::event_store::{SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use domain::call::report::LegRef;
use domain::call::terms::{Direction, Speaker};
use domain::call::{CallEvent, DtmfReceived, LineTranscribed, Received};
use domain::envelope::{Metadata, NewEvent, Time};
use domain::ids::{CallId, ClientId};
use domain::personal::Personal;
use domain::phone::Party;
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::ids::Ids;
use domain::wire::DomainEvent;
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tests::client::{Api, TEST_KEY};
use tests::load::{Load, Report, get};
use tests::server::{Server, ServerOptions};
use tests::webhook::{Leg, OUR_NUMBER, request, rfc3339, signer, unix_now};
use uuid::Uuid;

const RUNS: usize = 5;
const CONNECTIONS: usize = 64;
/// How often a node at work is asked whether it is done.
const POLL: Duration = Duration::from_millis(200);
const AT: &str = "2026-01-15T10:20:30.123456Z";

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let carrier = start_carrier();
    runtime.block_on(async {
        if wants("webhooks") {
            webhooks(&carrier).await;
        }
        if wants("sustained") {
            sustained(&carrier).await;
        }
        if wants("reads") {
            reads(&carrier).await;
        }
        if wants("actors") {
            actors(&carrier).await;
        }
        if wants("restart") {
            restart().await;
        }
    });
}

/// An empty actix handler: the limit, and a carrier that accepts everything.
fn start_carrier() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let accept = |_: web::Bytes| async {
            HttpResponse::Ok().content_type("application/json").body(r#"{"data":{"result":"ok"}}"#)
        };
        let server = HttpServer::new(move || App::new().default_service(web::to(accept)));
        actix_web::rt::System::new().block_on(server.workers(1).listen(listener).unwrap().run())
    });
    address
}

fn options(folder: &std::path::Path, carrier: &str) -> ServerOptions {
    ServerOptions::embedded(folder)
        .set("TELNYX_API_KEY", "KEYbench")
        .set("TELNYX_CONNECTION_ID", "1900000000000000001")
        .set("TELNYX_API_BASE", &format!("http://{carrier}/v2"))
        // one key asks for as much as the node gives
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "4294967295")
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "4294967295")
}

async fn start(folder: &std::path::Path, carrier: &str) -> Server {
    let server = Server::start(&options(folder, carrier)).unwrap();
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    Api::new(&server.base).unwrap().post("/api/v1/numbers", number).await.unwrap().data().unwrap();
    server
}

fn load(server: &str, rate: Option<f64>, requests: Vec<Vec<u8>>) -> Load {
    Load { address: server.to_owned(), connections: CONNECTIONS, rate, requests: Arc::new(requests) }
}

fn show(what: &str, reports: &mut [Report]) {
    reports.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
    let all: Vec<_> = reports.iter().map(|report| format!("{:.0}", report.per_second())).collect();
    let median = &reports[reports.len() / 2];
    println!(
        "{what:44} {:>7.0}/s  p50 {:>6.2} ms  p99 {:>6.2} ms  failed {}  [{}]",
        median.per_second(),
        median.latency_ms(0.5),
        median.latency_ms(0.99),
        median.failed,
        all.join(" ")
    );
}

async fn several(what: &str, mut one: impl AsyncFnMut(usize) -> Load) {
    let mut reports = Vec::new();
    for run in 0..RUNS {
        reports.push(one(run).await.run().await.unwrap());
    }
    show(what, &mut reports);
}

/// Signed webhooks of `calls` calls, five each, those of one call far enough apart to come in order.
fn webhook_requests(first_leg: u64, calls: u64) -> Vec<Vec<u8>> {
    let (signer, now) = (signer(), unix_now().to_string());
    let mut legs: Vec<_> = (first_leg..first_leg + calls).map(Leg::inbound).collect();
    let mut requests = Vec::new();
    for step in 0..5 {
        for leg in &mut legs {
            let event = match step {
                0 => leg.initiated(AT),
                1 => leg.answered(AT),
                2 => leg.event("call.dtmf.received", AT, json!({"digit": "4"})),
                3 => leg.event("call.dtmf.received", AT, json!({"digit": "2"})),
                _ => leg.hangup(AT),
            };
            requests.push(request(&signer, &now, event.to_string().as_bytes()));
        }
    }
    requests
}

async fn webhooks(carrier: &str) {
    println!(
        "signed webhooks, answered after commit; {CONNECTIONS} connections, {RUNS} runs, median (all runs)"
    );
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), carrier).await;
    several("limit: empty actix handler, same requests", async |_| {
        load(carrier, None, webhook_requests(9_000_000, 4_000))
    })
    .await;
    several("webhooks as fast as they go", async |run| {
        load(server.address(), None, webhook_requests(1_000_000 * (run as u64 + 1), 4_000))
    })
    .await;
    raw_commits(folder.path(), 1_000.0).await;
    several("webhooks at 1,000/s", async |run| {
        settled(&server).await;
        load(server.address(), Some(1_000.0), webhook_requests(1_000_000 * (run as u64 + 11), 1_000))
    })
    .await;
}

/// Whole calls of new people, three webhooks each.
fn whole_calls(first_leg: u64, calls: u64) -> Vec<Vec<u8>> {
    let (signer, now) = (signer(), unix_now().to_string());
    let at = rfc3339(unix_now());
    let mut legs: Vec<_> = (first_leg..first_leg + calls).map(Leg::inbound).collect();
    let mut requests = Vec::new();
    for step in 0..3 {
        for leg in &mut legs {
            let event = match step {
                0 => leg.initiated(&at),
                1 => leg.answered(&at),
                _ => leg.hangup(&at),
            };
            requests.push(request(&signer, &now, event.to_string().as_bytes()));
        }
    }
    requests
}

/// What an operator gets: everything behind the log included. A burst that leaves its work for later reads better.
async fn sustained(carrier: &str) {
    const CALLS: u64 = 12_000;
    println!(
        "whole calls of new people, three webhooks each, until the node is settled; {CONNECTIONS} connections"
    );
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), carrier).await;
    // caches and files have their size
    load(server.address(), None, whole_calls(500_000, 1_000)).run().await.unwrap();
    settled(&server).await;
    for run in 0..3 {
        let requests = whole_calls(1_000_000 * (run + 1), CALLS);
        let webhooks = requests.len() as f64;
        let (cpu, log) = (server.cpu_seconds().unwrap(), stored(folder.path(), "events.db"));
        let views = stored(folder.path(), "views.db");
        let began = Instant::now();
        let report = load(server.address(), None, requests).run().await.unwrap();
        settled(&server).await;
        let (took, cpu) = (began.elapsed().as_secs_f64(), server.cpu_seconds().unwrap() - cpu);
        let bytes = |now: u64, before: u64| now.saturating_sub(before) as f64 / CALLS as f64 / 1_000.0;
        println!(
            "{:>7.0} webhooks/s until settled ({:.0}/s answered, p99 {:.1} ms, {} failed)  {:.3} ms of CPU a webhook  \
             {:.1} KB of log, {:.1} KB of views a call",
            webhooks / took,
            report.per_second(),
            report.latency_ms(0.99),
            report.failed,
            cpu * 1_000.0 / webhooks,
            bytes(stored(folder.path(), "events.db"), log),
            bytes(stored(folder.path(), "views.db"), views),
        );
    }
}

/// The size of a database with its journal.
fn stored(folder: &std::path::Path, name: &str) -> u64 {
    let size = |name: String| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    size(name.to_owned()) + size(format!("{name}-wal"))
}

/// What the disk and SQLite take for a row of its own each, one after the other, as often as webhooks come.
async fn raw_commits(folder: &std::path::Path, rate: f64) {
    let options = SqliteConnectOptions::new().filename(folder.join("raw.db")).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let mut connection = options.disable_statement_logging().connect().await.unwrap();
    let table = "CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, bytes BLOB)";
    sqlx::query(table).execute(&mut connection).await.unwrap();
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let began = tokio::time::Instant::now();
        let mut waits = Vec::new();
        for n in 0..5_000 {
            let due = began + Duration::from_secs_f64(f64::from(n) / rate);
            tokio::time::sleep_until(due).await;
            let row = sqlx::query("INSERT INTO rows (bytes) VALUES (?)").bind(vec![7_u8; 1_500]);
            row.execute(&mut connection).await.unwrap();
            waits.push(due.elapsed().as_secs_f64() * 1_000.0);
        }
        waits.sort_by(f64::total_cmp);
        runs.push((waits[4_950], waits[2_500]));
    }
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (slow, half) = runs[RUNS / 2];
    let all: Vec<_> = runs.iter().map(|(slow, _)| format!("{slow:.2}")).collect();
    let what = format!("limit: raw SQLite commits at {rate:.0}/s");
    println!("{what:44} {rate:>7.0}/s  p50 {half:>6.2} ms  p99 {slow:>6.2} ms  [p99 {}]", all.join(" "));
}

/// Waits until the node has done everything behind the log.
async fn settled(server: &Server) {
    let api = Api::new(&server.base).unwrap();
    let begun = Instant::now();
    loop {
        let metrics = api.get("/metrics").await.unwrap().body;
        let text = metrics.as_str().unwrap_or_default().to_owned();
        let lag: f64 = text
            .lines()
            .filter(|line| {
                ["voxledger_projection_lag_events", "voxledger_outbox_pending"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        if lag == 0.0 || begun.elapsed() > Duration::from_secs(120) {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn reads(carrier: &str) {
    println!("reads of 10,000 calls; {CONNECTIONS} connections, {RUNS} runs, median (all runs)");
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), carrier).await;
    load(server.address(), None, webhook_requests(1, 10_000)).run().await.unwrap();
    settled(&server).await;
    let api = Api::new(&server.base).unwrap();
    let calls = api.list_all("/api/v1/calls").await.unwrap();
    let paths: Vec<_> =
        calls.iter().map(|call| format!("/api/v1/calls/{}", call["id"].as_str().unwrap())).collect();
    assert_eq!(paths.len(), 10_000);
    let one = |n: usize| -> Vec<Vec<u8>> {
        (0..n).map(|at| get(&paths[at * 7919 % paths.len()], TEST_KEY)).collect()
    };
    let list = |n: usize| vec![get("/api/v1/calls?limit=10", TEST_KEY); n];
    several("limit: empty actix handler", async |_| load(carrier, None, one(100_000))).await;
    several("GET one call", async |_| load(server.address(), None, one(50_000))).await;
    several("GET list of 10", async |_| load(server.address(), None, list(25_000))).await;
    several("GET one call at 2,000/s", async |_| load(server.address(), Some(2_000.0), one(10_000))).await;
    several("GET list of 10 at 2,000/s", async |_| load(server.address(), Some(2_000.0), list(10_000))).await;
}

async fn actors(carrier: &str) {
    let folder = tempfile::tempdir().unwrap();
    let settings = options(folder.path(), carrier).set("ACTORS_IDLE_MS", "3600000");
    let server = Server::start(&settings).unwrap();
    let before = server.resident_bytes().unwrap();
    let (signer, now) = (signer(), unix_now().to_string());
    let requests = (1..=10_000)
        .map(|leg| request(&signer, &now, Leg::inbound(leg).initiated(AT).to_string().as_bytes()))
        .collect();
    let report = load(server.address(), None, requests).run().await.unwrap();
    assert_eq!(report.ok, 10_000);
    settled(&server).await;
    let metrics = Api::new(&server.base).unwrap().get("/metrics").await.unwrap().body;
    let live =
        metrics.as_str().unwrap_or_default().lines().find(|line| line.starts_with("voxledger_live_actors"));
    println!(
        "10,000 live call actors: {} MB resident (idle node {} MB); {}",
        server.resident_bytes().unwrap() / 1_000_000,
        before / 1_000_000,
        live.unwrap_or("no metric")
    );
}

async fn restart() {
    let folder = tempfile::tempdir().unwrap();
    let (events, a_call) = (1_000_000_u64, 25);
    {
        let path = folder.path().join("events.db");
        let store = Arc::new(SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..64 {
            let store = store.clone();
            tasks.spawn(async move {
                for _ in 0..events / a_call / 64 {
                    let call = CallId(RandomIds.next());
                    store.append(&call.stream(), Expected::NoStream, a_life(a_call, writer)).await.unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        store.close().await;
    }
    let options = ServerOptions::embedded(folder.path());
    let first = Server::start(&options).unwrap();
    settled(&first).await;
    first.terminate().unwrap();
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        let server = Server::start(&options).unwrap();
        let api = Api::new(&server.base).unwrap();
        while api.get("/readyz").await.unwrap().status != 200 {}
        times.push(begun.elapsed());
        server.kill().unwrap();
    }
    times.sort();
    println!("ready after restart with 1,000,000 events: median {:?} {times:?}", times[RUNS / 2]);
}

fn a_life(events: u64, writer: u128) -> Vec<NewEvent> {
    let at = Time::from_timestamp_micros(1_767_225_600_000_000).unwrap();
    let client = ClientId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    (0..events)
        .map(|seq| {
            let event: CallEvent = if seq == 0 {
                received(at).into()
            } else if seq % 2 == 0 {
                DtmfReceived {
                    seq: seq as u32,
                    place: None,
                    digit: Personal::new('1'),
                    gather: None,
                    repeated: false,
                    at,
                }
                .into()
            } else {
                let text = Personal::new("a line of a transcript, about as long as people say".to_owned());
                let speaker = Speaker::Caller;
                LineTranscribed { seq: seq as u32, place: None, speaker, text, confidence_permille: None, at }
                    .into()
            };
            NewEvent {
                id: RandomIds.next(),
                event_type: event.event_type().to_owned(),
                schema: event.schema(),
                client_id: client,
                payload: event.encode(),
                metadata: Metadata::system("bench", Uuid::from_u128(writer)),
                recorded_at: at,
            }
        })
        .collect()
}

fn received(at: Time) -> Received {
    let leg_id = RandomIds.next().to_string();
    Received {
        foreign: false,
        provider: "telnyx".to_owned(),
        leg: LegRef { control_id: None, leg_id, session_id: None, connection_id: None },
        direction: Direction::Inbound,
        from: Some(Party::new("+12025550123").into()),
        to: Some(Party::new(OUR_NUMBER).into()),
        number_id: None,
        route: None,
        at,
        ring_until: at,
    }
}
