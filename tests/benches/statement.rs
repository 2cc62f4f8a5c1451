//! The balance and the statements of a client with a million transactions, asked over HTTP.
//!
//! `cargo bench -p tests --bench statement [-- transactions=1000000] [requests=100] [data=FOLDER]`, after
//! `cargo build --release`. Transactions of ten months are appended to a SQLite log, nine of ten of them charges of calls;
//! the node builds its views from it as it always does. Beside each figure stands the limit measured in the same run: an
//! empty actix handler. What was made in `FOLDER` is kept there and measured again the next time.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::event_store::{SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use chrono::TimeDelta;
use domain::billing::account::{CreditEvent, Posted, Source, SourceKind, TransactionKind};
use domain::billing::{Component, CostItem, Currency, Entry, LedgerAccount, Side, Unit};
use domain::envelope::{Metadata, NewEvent, Time, Version};
use domain::ids::{AgentId, ClientId, CreditAccountId, TransactionId};
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::ids::Ids as _;
use domain::wire::DomainEvent as _;
use tests::client::{Api, TEST_KEY};
use tests::load::{Load, empty_handler, get, views_behind};
use tests::server::{Server, ServerOptions};
use tests::until::until;
use uuid::Uuid;

/// The first of the ten months.
const FIRST_MONTH: &str = "2026-01-01T00:00:00Z";
const DAYS: i64 = 304;
/// The month whose statement is asked for: about a tenth of all.
const MONTH: &str = "2026-10";
/// Events of one append.
const TOGETHER: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(3_600);

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let given = wanted.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
        given.map_or(otherwise, |n| n.parse().unwrap())
    };
    let (transactions, requests) = (number("transactions", 1_000_000), number("requests", 100) as usize);
    let kept = wanted.iter().find_map(|arg| arg.strip_prefix("data=")).map(PathBuf::from);
    let passing = tempfile::tempdir().unwrap();
    let folder = kept.unwrap_or_else(|| passing.path().to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(&folder, transactions, requests));
}

async fn run(folder: &Path, transactions: u64, requests: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let options = ServerOptions::embedded(folder)
        .patient(PATIENCE)
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "4294967295")
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "4294967295");
    let note = folder.join("filled");
    if !note.exists() {
        let first = Server::start(&options).unwrap();
        let api = Api::new(&first.base).unwrap();
        let client = api.get("/api/v1/auth/me").await.unwrap().data().unwrap()["client"].clone();
        let client = client["id"].as_str().or(client.as_str()).unwrap().parse::<ClientId>().unwrap();
        first.terminate().unwrap();
        let begun = Instant::now();
        fill(folder, client, transactions).await;
        println!("{transactions} transactions appended in {:.1?}", begun.elapsed());
        std::fs::write(&note, "").unwrap();
    }
    let server = Server::start(&options).unwrap();
    let begun = Instant::now();
    settled(&server).await;
    println!("the views follow after {:.1?}", begun.elapsed());
    let limit = show("limit: empty actix handler", &empty_handler().unwrap(), "/", requests, None).await;
    for (what, path) in [
        ("balance", "/api/v1/billing/balance".to_owned()),
        ("statement of a month", format!("/api/v1/billing/statements/{MONTH}")),
        ("usage of a month by day", usage("day")),
        ("usage of a month by component", usage("component")),
        ("the latest transactions", "/api/v1/billing/transactions?limit=50".to_owned()),
    ] {
        show(what, server.address(), &path, requests, Some(limit)).await;
    }
    server.terminate().unwrap();
}

fn usage(by: &str) -> String {
    format!("/api/v1/billing/usage?group_by={by}&from={MONTH}-01T00:00:00Z&to=2026-11-01T00:00:00Z")
}

/// One request at a time: what somebody waits for who asks alone.
async fn show(what: &str, address: &str, path: &str, requests: usize, limit: Option<f64>) -> f64 {
    let requests = Arc::new(vec![get(path, TEST_KEY); requests]);
    let load = Load { address: address.to_owned(), connections: 1, rate: None, requests };
    let report = load.run().await.unwrap();
    assert_eq!(report.failed, 0, "{path}");
    let (median, slow) = (report.latency_ms(0.5), report.latency_ms(0.99));
    let ratio = limit.map_or(String::new(), |limit| format!("{:>7.1} times the limit", median / limit));
    println!("{what:32} p50 {median:>8.2} ms  p99 {slow:>8.2} ms {ratio}");
    median
}

/// Waits until every view is where the log ends.
async fn settled(server: &Server) {
    let api = Api::new(&server.base).unwrap();
    let follow = async || Ok((views_behind(&api).await? == Some(0.0)).then_some(()));
    until("the views to follow the log", PATIENCE, follow).await.unwrap();
}

async fn fill(folder: &Path, client: ClientId, transactions: u64) {
    let store = SqliteEventStore::open(&folder.join("log.db"), &SqliteSettings::default()).await.unwrap();
    let stream = CreditAccountId::of(client).stream();
    let first: Time = chrono::DateTime::parse_from_rfc3339(FIRST_MONTH).unwrap().to_utc();
    let step = TimeDelta::days(DAYS).num_microseconds().unwrap() / transactions.max(1) as i64;
    let (mut available, mut version) = (0, Version::NONE);
    for batch in 0..transactions.div_ceil(TOGETHER) {
        let numbers = batch * TOGETHER..((batch + 1) * TOGETHER).min(transactions);
        let events = numbers.map(|n| {
            let at = first + TimeDelta::microseconds(step * n as i64);
            event(client, posted(n, at, &mut available), at)
        });
        let events: Vec<_> = events.collect();
        version = store.append(&stream, Expected::Exact(version), events).await.unwrap().version;
    }
}

fn event(client: ClientId, posted: Posted, at: Time) -> NewEvent {
    let (id, event) = (RandomIds.next(), CreditEvent::from(posted));
    NewEvent {
        id,
        event_type: event.event_type().to_owned(),
        schema: event.schema(),
        client_id: client,
        payload: event.encode(),
        metadata: Metadata::system("bench", id),
        recorded_at: at,
    }
}

/// Every tenth transaction is a grant, the others are charges of calls of eight agents.
fn posted(n: u64, at: Time, available: &mut i64) -> Posted {
    let entry = |account, side, micros| Entry { account, side, micros };
    let is_grant = n.is_multiple_of(10);
    let amount = if is_grant { 300_000 } else { 25_000 + (n % 97) as i64 };
    *available += if is_grant { amount } else { -amount };
    let id = TransactionId(RandomIds.next());
    let item = CostItem {
        component: Component::Carrier,
        provider: "telnyx".to_owned(),
        model: String::new(),
        quantity: 120,
        unit: Unit::Second,
        price: 12_000,
        per: 60,
        amount,
    };
    let (from, to) = match is_grant {
        true => (LedgerAccount::Bonus, LedgerAccount::Available),
        false => (LedgerAccount::Available, LedgerAccount::Revenue(Component::Carrier)),
    };
    Posted {
        id,
        kind: if is_grant { TransactionKind::Grant } else { TransactionKind::Usage },
        source: match is_grant {
            true => Source { kind: SourceKind::Grant, id: id.0 },
            false => Source { kind: SourceKind::Call, id: RandomIds.next() },
        },
        corrects: None,
        seen: (!is_grant).then_some(12),
        currency: Currency::USD,
        entries: vec![entry(from, Side::Debit, amount), entry(to, Side::Credit, amount)],
        available_after: *available,
        held_after: 0,
        opens: false,
        items: if is_grant { vec![] } else { vec![item] },
        agent: (!is_grant).then(|| AgentId(Uuid::from_u128(u128::from(n % 8)))),
        reason: is_grant.then(|| "welcome".to_owned()),
        at,
    }
}
