//! How fast the whole history is checked, how fast and how small a proof is, and what sealing costs those who write.
//!
//! `cargo build --release`, then `cargo bench -p tests --bench audit [-- verify|proofs|sealing] [events=1000000]`.
//! Runs with and without what is measured take turns, so that whatever else the machine does meets both. Files go to
//! the temporary folder; point `TMPDIR` at the disk to measure.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::sealer::{Prover, SealOptions, SealedLog, SealerDeps};
use actors::{Runtime, TraceHooks};
use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::event_store::{EventLog, RecentEvents, SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use adapters::outbox::SqlOutbox;
use adapters::seals::SealsDb;
use adapters::testing::call_lives::append_lives;
use domain::envelope::{Metadata, NewEvent, Position, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::merkle::{Entry, KeptHead, NoteSigner, TileEdge, log_id, origin, verify_inclusion};
use domain::ports::event_store::{EventStore, Expected, Subscription};
use domain::ports::head_keeper::HeadKeeper as _;
use domain::ports::ids::Ids;
use domain::ports::seals::{Head, SealStore};
use hdrhistogram::Histogram;
use tests::random::SeededRandom;
use tests::server::binary;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const RUNS: usize = 5;
const LENGTH: Duration = Duration::from_secs(3);
const SECRET: [u8; 32] = [7; 32];
/// The most events between two heads here: about what half a second brings.
const BETWEEN_HEADS: u64 = 20_000;

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let events =
        wanted.iter().find_map(|arg| arg.strip_prefix("events=")).map_or(1_000_000, |n| n.parse().unwrap());
    let parts: Vec<_> = wanted.iter().filter(|arg| !arg.contains('=')).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|name| *name == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if wants("verify") || wants("proofs") {
            let folder = tempfile::tempdir().unwrap();
            let signer = fill(folder.path(), events).await;
            if wants("proofs") {
                proofs(folder.path()).await;
            }
            if wants("verify") {
                verify(folder.path(), &signer).await;
            }
        }
        if wants("sealing") {
            sealing().await;
        }
    });
}

/// A log of about so many events, and the tree over it.
async fn fill(folder: &Path, events: u64) -> NoteSigner {
    let store = SqliteEventStore::open(&folder.join("events.db"), &SqliteSettings::default()).await.unwrap();
    let log: Arc<dyn EventStore> = Arc::new(store);
    let began = Instant::now();
    let events = append_lives(&log, 0..events * 10 / 115, 200, 3).await.unwrap();
    println!("{events} events appended in {:.1?}", began.elapsed());
    let began = Instant::now();
    let seals = SealsDb::open(&Database::Sqlite(folder.join("events.seals.db"))).await.unwrap();
    let first = log.read_all(Position::START, 1).await.unwrap().remove(0);
    let (id, mut edge) = (log_id(&first), TileEdge::default());
    let signer = NoteSigner::new(origin(id), &SECRET);
    loop {
        let page = log.read_all(Position(edge.size()), 1_000).await.unwrap();
        for event in &page {
            edge.push(Entry::of(id, event).leaf());
        }
        if edge.size().is_multiple_of(BETWEEN_HEADS) || page.is_empty() {
            let (size, root, sealed_at) = (edge.size(), edge.root(), Time::UNIX_EPOCH);
            let head = Head { size, root, note: signer.sign(size, root), sealed_at };
            seals.append(&edge.take_changed(), &head).await.unwrap();
        }
        if page.is_empty() {
            break;
        }
    }
    println!("read, hashed and stored as a tree in {:.1?}", began.elapsed());
    seals.close().await;
    signer
}

async fn verify(folder: &Path, signer: &NoteSigner) {
    let key = signer.verifier().to_string();
    let store = SqliteEventStore::open_read_only(&folder.join("events.db")).await.unwrap();
    let (mut checked, mut read) = (Vec::new(), Vec::new());
    let mut said = String::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        let mut after = Position::START;
        while let Some(last) = store.read_all(after, 1_000).await.unwrap().last() {
            after = last.position;
        }
        read.push(after.0 as f64 / began.elapsed().as_secs_f64());

        let began = Instant::now();
        let mut command = Command::new(binary().unwrap());
        command.args(["audit", "verify", "--key", &key]).env("VOXLEDGER_DATA_DIR", folder);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
        checked.push(after.0 as f64 / began.elapsed().as_secs_f64());
        said = String::from_utf8_lossy(&done.stdout).into_owned();
    }
    println!("audit verify          {:>9.0} events/s {}", median(&checked), list(&checked));
    println!("limit: read_all alone {:>9.0} events/s {}", median(&read), list(&read));
    println!("it said: {}", said.lines().next().unwrap_or_default());
}

async fn proofs(folder: &Path) {
    let seals = SealsDb::open(&Database::Sqlite(folder.join("events.seals.db"))).await.unwrap();
    let head = seals.latest().await.unwrap().unwrap();
    let prover = Prover::new(Arc::new(seals));
    let (mut times, mut largest, mut dice) = (Histogram::<u64>::new(3).unwrap(), 0, SeededRandom::new(1));
    for _ in 0..5_000 {
        let position = dice.roll(1..head.size + 1);
        let began = Instant::now();
        let (leaf, proof) = prover.inclusion(position, head.size).await.unwrap();
        times.record(began.elapsed().as_micros() as u64).unwrap();
        verify_inclusion(&leaf, position - 1, head.size, &proof, &head.root).unwrap();
        largest = largest.max(serde_json::to_vec(&proof).unwrap().len());
    }
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|q| times.value_at_quantile(q) as f64 / 1_000.0);
    println!(
        "inclusion proof of 1 of {} events: p50 {p50:.3} ms  p99 {p99:.3} ms  max {max:.3} ms",
        head.size
    );
    println!("the largest has {largest} bytes of JSON");
}

async fn sealing() {
    let (mut ratios, mut with, mut without) = (Vec::new(), Vec::new(), Vec::new());
    appends(true).await;
    for run in 0..2 * RUNS {
        // whoever goes first has a colder or a warmer machine: they take turns
        let first = run % 2 == 0;
        let (a, b) = (appends(first).await, appends(!first).await);
        let (sealed, plain) = if first { (a, b) } else { (b, a) };
        ratios.push(sealed / plain);
        with.push(sealed);
        without.push(plain);
    }
    println!("64 writers, sealed    {:>9.0} events/s {}", median(&with), list(&with));
    println!("64 writers, not       {:>9.0} events/s {}", median(&without), list(&without));
    let ratios: Vec<_> = ratios.iter().map(|ratio| 100.0 * (1.0 - ratio)).collect();
    println!("sealing costs         {:>9.1} % (pair by pair: {})", median(&ratios), tenths(&ratios));
}

/// Events a second that 64 writers get onto a fresh log. As in a node, somebody follows it besides, and what one
/// follower reads the others need not.
async fn appends(sealed: bool) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let store = Arc::new(SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap());
    let log: Arc<dyn EventStore> = Arc::new(RecentEvents::new(store.clone()));
    let mut reader = Subscription::new(log.clone(), Position::START, 1_000);
    let reader = tokio::spawn(async move { while reader.next().await.is_ok() {} });
    let stop = CancellationToken::new();
    let mut sealer = None;
    let seals = SealsDb::open(&Database::Sqlite(folder.path().join("events.seals.db"))).await.unwrap();
    if sealed {
        let database = Database::Sqlite(folder.path().join("keys.db"));
        let keys = KeysDb::open(&database).await.unwrap();
        let (master, clock, ids) = (MasterKey::new(SECRET), Arc::new(SystemClock), Arc::new(RandomIds));
        let keeper = KeyVault::new(keys, master, clock, ids).head_keeper();
        keeper.keep(&KeptHead::NOTHING).await.unwrap();
        let bench = SealerDeps {
            sealed: SealedLog {
                log: log.clone(),
                table: Arc::new(EventLog::Sqlite(store.clone())),
                seals: Arc::new(seals.clone()),
                keeper: Arc::new(keeper),
                secret: SECRET,
            },
            health: Arc::default(),
            operator: ClientId(Uuid::nil()),
            runtime: Runtime {
                store: log.clone(),
                clock: Arc::new(SystemClock),
                ids: Arc::new(RandomIds),
                node: "bench".into(),
                trace: TraceHooks::default(),
                snapshots: None,
            },
            leases: Arc::new(
                SqlOutbox::open(&Database::Sqlite(folder.path().join("work.db"))).await.unwrap(),
            ),
            witnesses: Vec::new(),
        };
        sealer = Some(tokio::spawn(actors::sealer::run(bench, SealOptions::default(), stop.clone())));
    }
    let began = Instant::now();
    let writers: Vec<_> = (0..64).map(|_| tokio::spawn(write(log.clone(), began + LENGTH))).collect();
    let mut count = 0;
    for writer in writers {
        count += writer.await.unwrap();
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    reader.abort();
    if let Some(sealer) = sealer {
        let head = log.head().await.unwrap().0;
        let (ended, mut size) = (Instant::now(), 0);
        while size < head {
            assert!(ended.elapsed() < Duration::from_secs(2), "the sealer is behind: {size} of {head}");
            tokio::task::yield_now().await;
            size = seals.latest().await.unwrap().map_or(0, |head| head.size);
        }
        stop.cancel();
        sealer.await.unwrap();
    }
    store.close().await;
    rate
}

async fn write(log: Arc<dyn EventStore>, until: Instant) -> u64 {
    let (mut stream, mut version, mut count) = (StreamId::new("call", RandomIds.next()), 0, 0);
    while Instant::now() < until {
        if version == 25 {
            (stream, version) = (StreamId::new("call", RandomIds.next()), 0);
        }
        let event = NewEvent {
            id: RandomIds.next(),
            event_type: "call.answered".to_owned(),
            schema: 1,
            client_id: ClientId(Uuid::from_u128(1)),
            payload: vec![0x5a; 400],
            metadata: Metadata::system("bench", stream.id()),
            recorded_at: Time::UNIX_EPOCH,
        };
        log.append(&stream, Expected::Exact(Version(version)), vec![event]).await.unwrap();
        version += 1;
        count += 1;
    }
    count
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

fn list(rates: &[f64]) -> String {
    let rates: Vec<_> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    format!("[{}]", rates.join(" "))
}

fn tenths(values: &[f64]) -> String {
    values.iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>().join(" ")
}
