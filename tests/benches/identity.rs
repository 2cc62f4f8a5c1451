//! Many keys: what it costs to recognise one, to list them, and to find one.
//!
//! `cargo bench -p tests --bench identity`, after `cargo build --release`. Load generator and node share the
//! machine. An open endpoint of the same node, measured in the same run, stands beside each figure.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::event_store::{SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use domain::api_key::{ApiKeyCreated, ApiKeyEvent};
use domain::envelope::{Metadata, NewEvent, Time};
use domain::ids::{ApiKeyId, ClientId};
use domain::origin::Origin;
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::ids::Ids;
use domain::wire::DomainEvent;
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};
use tests::client::{Api, TEST_KEY};
use tests::load::{Load, get};
use tests::server::{Server, ServerOptions};
use uuid::Uuid;

const RUNS: usize = 5;
const CLIENT: ClientId = ClientId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
const KEYS: u64 = 100_000;
/// Round trips of which the median is taken.
const TRIPS: usize = 20_000;
/// Authenticated, and refused before anything is looked up.
const REFUSED: &str = "/api/v1/calls?limit=none";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for keys in [0, KEYS] {
            let folder = tempfile::tempdir().unwrap();
            seed(folder.path(), keys).await;
            measure(folder.path(), keys).await;
        }
    });
}

async fn measure(folder: &Path, keys: u64) {
    println!("{keys} keys besides the owner's; {RUNS} runs, median (all runs)");
    let mut options = ServerOptions::embedded(folder);
    for limit in ["LIMITS_KEY_REQUESTS_PER_HOUR", "LIMITS_CLIENT_REQUESTS_PER_MINUTE"] {
        options = options.set(limit, "1000000000");
    }
    let server = Server::start(&options).unwrap();
    let api = Api::new(&server.base).unwrap();
    while api.get("/readyz").await.unwrap().status != 200 {}
    let address = server.address().to_owned();

    let mut costs = Vec::new();
    for _ in 0..RUNS {
        let open = median_trip(&address, &get("/version", TEST_KEY));
        let known = median_trip(&address, &get(REFUSED, TEST_KEY));
        costs.push((known.saturating_sub(open), known, open));
    }
    costs.sort();
    let (cost, known, open) = costs[RUNS / 2];
    let all: Vec<_> = costs.iter().map(|(cost, ..)| cost).collect();
    println!(
        "recognised, let through and refused: {known:?}; open endpoint {open:?}; difference {cost:?} {all:?}"
    );

    let lists = [
        ("list of 50 keys", "/api/v1/auth/api-keys?limit=50"),
        ("list of 50 keys, oldest first", "/api/v1/auth/api-keys?limit=50&order=asc"),
        ("list of 200 keys", "/api/v1/auth/api-keys?limit=200"),
    ];
    for (what, path) in lists {
        let mut reports = Vec::new();
        for _ in 0..RUNS {
            let requests = Arc::new(vec![get(path, TEST_KEY); 2_000]);
            let load = Load { address: address.clone(), connections: 16, rate: Some(200.0), requests };
            let report = load.run().await.unwrap();
            assert_eq!(report.failed, 0);
            reports.push((report.latency_ms(0.99), report.latency_ms(0.5)));
        }
        reports.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: Vec<_> = reports.iter().map(|(p99, _)| format!("{p99:.2}")).collect();
        let (p99, p50) = reports[RUNS / 2];
        println!("{what:32} at 200/s: p50 {p50:.2} ms, p99 {p99:.2} ms [{}]", all.join(" "));
    }
    println!("resident {} MB", server.resident_bytes().unwrap() / 1_000_000);
    server.terminate().unwrap();
}

/// The median time of one request after the other on one connection.
fn median_trip(address: &str, request: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; 8192];
    let mut trips: Vec<Duration> = (0..TRIPS)
        .map(|_| {
            let begun = Instant::now();
            stream.write_all(request).unwrap();
            // the answer is small and comes in one piece
            assert!(stream.read(&mut answer).unwrap() > 0);
            begun.elapsed()
        })
        .collect();
    trips.sort();
    trips[TRIPS / 2]
}

/// Keys of a client's, written into the log as the node would.
async fn seed(folder: &Path, keys: u64) {
    let path = folder.join("events.db");
    let store = Arc::new(SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in (writer..keys).step_by(64) {
                let id = ApiKeyId(RandomIds.next());
                store.append(&id.stream(), Expected::NoStream, vec![created(n)]).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    store.close().await;
}

fn created(n: u64) -> NewEvent {
    let at = Time::from_timestamp_micros(1_767_225_600_000_000 + n as i64).unwrap();
    let event: ApiKeyEvent = ApiKeyCreated {
        name: format!("key {n}"),
        key_prefix: "vx_AbCdEfG".to_owned(),
        key_hash: ByteBuf::from(Sha256::digest(n.to_be_bytes()).to_vec()),
        scopes: vec!["calls:read".to_owned()],
        rate_limit: None,
        usage_quota: None,
        expires_at: None,
        origin: Origin::default(),
        at,
    }
    .into();
    NewEvent {
        id: RandomIds.next(),
        event_type: event.event_type().to_owned(),
        schema: event.schema(),
        client_id: CLIENT,
        payload: event.encode(),
        metadata: Metadata::system("bench", Uuid::nil()),
        recorded_at: at,
    }
}
