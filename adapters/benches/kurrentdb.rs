//! The log in KurrentDB held against the official client alone, on the fake server in this process: appends of 64
//! writers, a lone append, and a start over a long log.
//!
//! usage: `cargo bench -p adapters --bench kurrentdb [-- EVENTS]`, EVENTS of the long log, 1,000,000 by default.

#![expect(clippy::expect_used, reason = "a bench that fails panics")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::event_store::{KurrentAddress, KurrentEventStore, WriterLimits};
use domain::envelope::{Metadata, NewEvent, Position, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::ports::event_store::{EventStore, Expected};
use domain::testing::ids::sequential;
use eventstore::{AppendToStreamOptions, Client, EventData, StreamState};
use fake_kurrentdb::FakeKurrentDb;
use futures::future::join_all;
use uuid::Uuid;

const WRITERS: u64 = 64;
const EACH: u64 = 200;
const LONE: u64 = 500;
const PAYLOAD: usize = 300;

fn event(n: u64) -> NewEvent {
    NewEvent {
        id: sequential(n),
        event_type: "call.noted".to_owned(),
        schema: 1,
        client_id: ClientId(Uuid::from_u128(1)),
        payload: vec![7; PAYLOAD],
        metadata: Metadata::system("bench", sequential(n)),
        recorded_at: Time::from_timestamp_micros(1_767_225_600_000_000).unwrap_or_default(),
    }
}

/// The same event as the client takes it, with metadata as large as ours.
fn raw_event(n: u64) -> EventData {
    EventData::binary("call.noted", vec![7; PAYLOAD].into())
        .id(sequential(n))
        .metadata(vec![b' '; 320].into())
}

fn exactly(version: u64) -> AppendToStreamOptions {
    let state = version.checked_sub(1).map_or(StreamState::NoStream, StreamState::StreamRevision);
    AppendToStreamOptions::default().stream_state(state)
}

async fn raw_writers(client: &Client, first: u64) -> f64 {
    let started = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let client = client.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                let event = raw_event(first + writer * EACH + n);
                let stream = format!("raw-{first}-{writer}");
                client.append_to_stream(stream, &exactly(n), event).await.expect("an append");
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|writer| writer.expect("a writer"));
    (WRITERS * EACH) as f64 / started.elapsed().as_secs_f64()
}

async fn our_writers(store: &Arc<KurrentEventStore>, first: u64) -> f64 {
    let started = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let stream = StreamId::new("call", sequential(first + writer));
            for n in 0..EACH {
                let batch = vec![event(first + writer * EACH + n)];
                store.append(&stream, Expected::Exact(Version(n)), batch).await.expect("an append");
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|writer| writer.expect("a writer"));
    (WRITERS * EACH) as f64 / started.elapsed().as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn raw_lone(client: &Client, first: u64) -> Duration {
    let mut times = Vec::new();
    for n in 0..LONE {
        let started = Instant::now();
        let event = raw_event(first + n);
        client.append_to_stream(format!("lone-{first}"), &exactly(n), event).await.expect("an append");
        times.push(started.elapsed());
    }
    median(times)
}

async fn our_lone(store: &KurrentEventStore, first: u64) -> Duration {
    let (mut times, stream) = (Vec::new(), StreamId::new("call", sequential(first)));
    for n in 0..LONE {
        let started = Instant::now();
        store.append(&stream, Expected::Exact(Version(n)), vec![event(first + n)]).await.expect("an append");
        times.push(started.elapsed());
    }
    median(times)
}

/// Opens the log with an index in the folder, fills the database, and opens it again.
async fn restart(server: &FakeKurrentDb, events: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let address: KurrentAddress = server.address().parse().expect("an address");
    let address = address.with_replica_in(folder.path());
    let metadata = format!(
        r#"{{"$correlationId":"{0}","schema":1,"client_id":"{0}","recorded_at":1767225600000000,"metadata":{{"correlation_id":"{0}","actor":{{"kind":"system","id":"bench"}}}}}}"#,
        Uuid::from_u128(1)
    );
    for n in 0..events / 10 {
        let events: Vec<_> = (0..10)
            .map(|k| fake_kurrentdb::NewEvent {
                id: sequential(100_000_000 + 10 * n + k),
                event_type: "call.noted".to_owned(),
                is_json: false,
                data: bytes::Bytes::from_static(&[7; PAYLOAD]),
                metadata: metadata.clone().into(),
            })
            .collect();
        server.write(&format!("voxledger.{}", StreamId::new("call", sequential(50_000_000 + n))), &events);
    }
    let started = Instant::now();
    let store = KurrentEventStore::open_with(&address, WriterLimits::default()).await.expect("a log");
    let head = store.head().await.expect("a head");
    let anew = started.elapsed();
    println!(
        "index of {head} events made anew in {anew:.1?}: {:.0} events/s",
        head.0 as f64 / anew.as_secs_f64()
    );
    store.close().await;
    drop(store);
    let started = Instant::now();
    let store = KurrentEventStore::open_with(&address, WriterLimits::default()).await.expect("a log");
    assert_eq!(store.head().await.expect("a head"), head);
    println!("ready after a restart in {:.2?} (at most 3 s)", started.elapsed());
    let started = Instant::now();
    let page = store.read_all(Position(head.0 / 2), 1_000).await.expect("a page");
    println!("{} events from the middle in {:.1?}", page.len(), started.elapsed());
    let size = std::fs::metadata(folder.path().join("events.replica.db")).map_or(0, |file| file.len());
    println!("the index has {} bytes an event", size / head.0.max(1));
}

#[tokio::main]
async fn main() {
    let events = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let server = FakeKurrentDb::start().await.expect("a server");
    let address: KurrentAddress = server.address().parse().expect("an address");
    let client = Client::new(server.address().parse().expect("settings")).expect("a client");
    let store = KurrentEventStore::open_with(&address, WriterLimits::default()).await.expect("a log");
    let store = Arc::new(store);
    // turn about, so that a shared machine's moods meet both
    for round in 0..3 {
        let first = 10_000_000 * (round + 1);
        let (raw, ours) = (raw_writers(&client, first).await, our_writers(&store, first + 5_000_000).await);
        println!(
            "{WRITERS} writers: client {raw:.0} appends/s, log {ours:.0} appends/s, {:.0} %",
            100.0 * ours / raw
        );
        let (raw, ours) =
            (raw_lone(&client, first + 1_000_000).await, our_lone(&store, first + 2_000_000).await);
        let ratio = ours.as_secs_f64() / raw.as_secs_f64();
        println!("a lone append: client {raw:.0?}, log {ours:.0?}, {ratio:.2} times");
    }
    drop(store);
    restart(&server, events).await;
}
