//! Webhooks to clients: deliveries a second, how soon after the event the first attempt is sent, beside hanging
//! endpoints too, and a million pending.
//!
//! `cargo bench -p tests --bench webhooks [-- backlog|latency|pending]`, after `cargo build --release`. Receiver,
//! load generator and node share the machine. Beside the rate stands the limit measured in the same run: the same
//! receiver under the load generator alone.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapters::clock::SystemClock;
use adapters::event_store::{SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use domain::call::report::LegRef;
use domain::call::terms::Direction;
use domain::call::{CallEvent, Received};
use domain::envelope::{Metadata, NewEvent, Time};
use domain::ids::{CallId, ClientId, EndpointId};
use domain::ports::clock::Clock;
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::ids::Ids;
use domain::wire::DomainEvent;
use hdrhistogram::Histogram;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use tests::client::Api;
use tests::load::{Load, post};
use tests::receiver::{Answers, Receiver};
use tests::server::{Server, ServerOptions};
use tests::webhook::{Leg, request, rfc3339, signer, unix_now};

const RUNS: usize = 3;
/// Of the backlog: events, each to every endpoint.
const EVENTS: usize = 6_000;
const ENDPOINTS: usize = 10;
/// Of the latency: clients, each with an endpoint and a number; events a second in all; for so many seconds.
const CLIENTS: usize = 20;
const RATE: f64 = 500.0;
const SECONDS: u64 = 20;
const PENDING: u64 = 1_000_000;
const POLL: Duration = Duration::from_millis(5);

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if wants("backlog") {
            backlog().await;
        }
        if wants("latency") {
            latency(0).await;
            latency(CLIENTS / 10).await;
        }
        if wants("pending") {
            pending().await;
        }
    });
}

fn options(folder: &Path) -> ServerOptions {
    ServerOptions::embedded(folder)
        .set("WEBHOOKS_ALLOW_PRIVATE", "true")
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "4294967295")
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "4294967295")
}

async fn counting() -> Receiver {
    Receiver::counting(|_| Answers::Status(200, "")).await.unwrap()
}

async fn counted(receiver: &Receiver, count: u64) -> Instant {
    while receiver.count() < count {
        tokio::time::sleep(POLL).await;
    }
    Instant::now()
}

async fn owner(api: &Api) -> ClientId {
    let me = api.get("/api/v1/auth/me").await.unwrap().data().unwrap();
    let client = me["client"]["id"].as_str().or(me["client"].as_str()).unwrap();
    client.parse().unwrap()
}

fn received(at: Time) -> CallEvent {
    let leg = LegRef {
        control_id: None,
        leg_id: RandomIds.next().to_string(),
        session_id: None,
        connection_id: None,
    };
    Received {
        foreign: false,
        provider: "telnyx".into(),
        leg,
        direction: Direction::Inbound,
        from: Some(domain::phone::Party::new("+12025550123").into()),
        to: Some(domain::phone::Party::new("+12025550188").into()),
        number_id: None,
        route: None,
        ring_until: at + Duration::from_secs(36_000),
        at,
    }
    .into()
}

/// Appends events to the log of a node that does not run.
async fn append(folder: &Path, client: ClientId) {
    let store = SqliteEventStore::open(&folder.join("events.db"), &SqliteSettings::default()).await.unwrap();
    let store = Arc::new(store);
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in (0..EVENTS).filter(|n| n % 64 == part) {
                let now = SystemClock.now();
                let event = received(now);
                let new = NewEvent {
                    id: RandomIds.next(),
                    event_type: event.event_type().to_owned(),
                    schema: event.schema(),
                    client_id: client,
                    payload: event.encode(),
                    metadata: Metadata::system("bench", RandomIds.next()),
                    recorded_at: now,
                };
                let call = CallId(RandomIds.next());
                store.append(&call.stream(), Expected::NoStream, vec![new]).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    store.close().await;
}

/// What the receiver takes from a load generator that does nothing else.
async fn limit() -> f64 {
    let receiver = counting().await;
    let body = vec![b'x'; 1_000];
    let load = Load {
        address: receiver.url.trim_start_matches("http://").to_owned(),
        connections: 64,
        rate: None,
        requests: Arc::new(vec![post("/", &[], &body); 50_000]),
    };
    load.run().await.unwrap().per_second()
}

async fn backlog() {
    let limit = limit().await;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir().unwrap();
        let receiver = counting().await;
        let server = Server::start(&options(folder.path())).unwrap();
        let api = Api::new(&server.base).unwrap();
        for n in 0..ENDPOINTS {
            let body = json!({"url": format!("{}/{n}", receiver.url), "events": ["call.started"]});
            api.post("/api/v1/webhooks", body).await.unwrap().data().unwrap();
        }
        let client = owner(&api).await;
        server.terminate().unwrap();
        append(folder.path(), client).await;
        let server = Server::start(&options(folder.path())).unwrap();
        let all = (EVENTS * ENDPOINTS) as u64;
        // what is under way while the log is read to its end does not count
        let begun = counted(&receiver, all / 20).await;
        let from = receiver.count();
        let ended = counted(&receiver, all).await;
        rates.push((all - from) as f64 / (ended - begun).as_secs_f64());
        server.terminate().unwrap();
    }
    rates.sort_by(f64::total_cmp);
    let median = rates[RUNS / 2];
    let all: Vec<_> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    println!(
        "deliveries to {ENDPOINTS} healthy endpoints       {median:>7.0}/s  [{}]  receiver alone {limit:.0}/s, ratio {:.3}",
        all.join(" "),
        median / limit
    );
}

/// From an event's being recorded to its being received, at a rate of events.
async fn latency(hanging: usize) {
    let mut p99s = Vec::new();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir().unwrap();
        let times = Arc::new(Mutex::new(Histogram::<u64>::new(3).unwrap()));
        let kept = times.clone();
        let receiver = Receiver::counting(move |received| {
            let now = SystemClock.now();
            if received.path == "/hangs" {
                return Answers::Never;
            }
            // the timestamp stands near the beginning; reading the whole would cost more than it measures
            let text = String::from_utf8_lossy(&received.body[..received.body.len().min(300)]).into_owned();
            let at = text.split("\"timestamp\":\"").nth(1).and_then(|rest| rest.split('"').next());
            if let Some(at) = at.and_then(|at| chrono::DateTime::parse_from_rfc3339(at).ok()) {
                let micros = (now - at.to_utc()).num_microseconds().unwrap_or(0).max(1);
                kept.lock().unwrap().record(micros as u64).unwrap();
            }
            Answers::Status(200, "")
        })
        .await
        .unwrap();
        let server = Server::start(&options(folder.path())).unwrap();
        let api = Api::new(&server.base).unwrap();
        for n in 0..CLIENTS {
            let made = api.post("/api/v1/auth/clients", json!({"name": format!("c{n}")})).await.unwrap();
            let own = api.with_key(made.data().unwrap()["plain_key"].as_str());
            let number = json!({"number": number(n), "route": {"type": "reject"}});
            own.post("/api/v1/numbers", number).await.unwrap().data().unwrap();
            let path = if n < hanging { "hangs" } else { "well" };
            let body = json!({"url": format!("{}/{path}", receiver.url), "events": ["call.started"]});
            own.post("/api/v1/webhooks", body).await.unwrap().data().unwrap();
        }
        let (signer, at) = (signer(), unix_now().to_string());
        let events = RATE as u64 * SECONDS;
        let requests = (0..events)
            .map(|n| {
                let mut leg = Leg::inbound(n);
                leg.to = number(n as usize % CLIENTS);
                request(&signer, &at, leg.initiated(&rfc3339(unix_now())).to_string().as_bytes())
            })
            .collect();
        let load = Load {
            address: server.address().to_owned(),
            connections: 64,
            rate: Some(RATE),
            requests: Arc::new(requests),
        };
        let report = load.run().await.unwrap();
        assert_eq!(report.failed, 0);
        let healthy = events * (CLIENTS - hanging) as u64 / CLIENTS as u64;
        while times.lock().unwrap().len() < healthy {
            tokio::time::sleep(POLL).await;
        }
        let times = times.lock().unwrap();
        p99s.push((times.value_at_quantile(0.99), times.value_at_quantile(0.5)));
        server.kill().unwrap();
    }
    p99s.sort();
    let ms = |micros: u64| micros as f64 / 1_000.0;
    let all: Vec<_> = p99s.iter().map(|(p99, _)| format!("{:.1}", ms(*p99))).collect();
    let (p99, p50) = p99s[RUNS / 2];
    println!(
        "event recorded to received at {RATE}/s, {hanging} of {CLIENTS} hanging  p50 {:.1} ms  p99 {:.1} ms  [{}]",
        ms(p50),
        ms(p99),
        all.join(" ")
    );
}

fn number(n: usize) -> String {
    format!("+1202555{:04}", 8_000 + n)
}

/// A million deliveries that wait for their next attempt.
async fn pending() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&options(folder.path())).unwrap();
    let api = Api::new(&server.base).unwrap();
    let mut endpoints = Vec::new();
    for n in 0..ENDPOINTS {
        let body = json!({"url": format!("http://127.0.0.1:9/{n}"), "events": ["call.started"]});
        let made = api.post("/api/v1/webhooks", body).await.unwrap().data().unwrap();
        endpoints.push(made["id"].as_str().unwrap().parse::<EndpointId>().unwrap());
    }
    let client = owner(&api).await;
    server.terminate().unwrap();
    fill(folder.path(), client, &endpoints).await;
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begun = Instant::now();
        let server = Server::start(&options(folder.path())).unwrap();
        let api = Api::new(&server.base).unwrap();
        while api.get("/readyz").await.unwrap().status != 200 {}
        times.push(begun.elapsed());
        // until it has counted what waits, it has looked at everything it looks at
        let metrics = async || api.with_key(None).get("/metrics").await.unwrap().body.to_string();
        while !metrics().await.contains("voxledger_webhook_pending 1000000") {
            tokio::time::sleep(POLL).await;
        }
        sizes.push(server.resident_bytes().unwrap() >> 20);
        server.terminate().unwrap();
    }
    times.sort();
    sizes.sort_unstable();
    println!(
        "{PENDING} pending: ready after {:?} {times:?}, {} MB resident {sizes:?}",
        times[RUNS / 2],
        sizes[RUNS / 2]
    );
}

async fn fill(folder: &Path, client: ClientId, endpoints: &[EndpointId]) {
    let file = SqliteConnectOptions::new().filename(folder.join("events.work.db"));
    let mut work = file.connect().await.unwrap();
    let (now, due) = (SystemClock.now().timestamp_micros(), 3_600_000_000_i64);
    let events = PENDING / endpoints.len() as u64;
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
               INSERT INTO work_public_events (position, id, client_id, event_type, subject_id, created_at, body) \
               SELECT 1000000 + i, randomblob(16), $2, 'call.started', randomblob(16), $3, zeroblob(1000) FROM n";
    let insert = sqlx::query(sql).bind(events as i64).bind(client.0).bind(now);
    insert.execute(&mut work).await.unwrap();
    for endpoint in endpoints {
        let sql = "INSERT INTO work_deliveries (id, client_id, endpoint_id, event_id, event_type, position, subject_id, \
                   created_at, status, attempts, earlier, due, ordered, version) SELECT randomblob(16), client_id, $1, id, \
                   event_type, position, subject_id, created_at, 'pending', 1, 0, created_at + $2, 0, 1 FROM work_public_events";
        sqlx::query(sql).bind(endpoint.0).bind(due).execute(&mut work).await.unwrap();
    }
    work.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    work.close().await.unwrap();
}
