//! How long the match of a day with 1,000,000 calls takes: the view's pages of calls and transactions in SQLite, the carrier's
//! 2,000,000 records in pages of 50, and the findings as events. The carrier answers at once: its network is not measured.
//!
//! `cargo bench -p tests --bench matching`. Files go to the temporary folder; point `TMPDIR` at the disk to measure.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::billing::matching::{MatchDeps, MatchOptions, run};
use actors::{CommandContext, Runtime, Session, TraceHooks};
use adapters::clock::SystemClock;
use adapters::event_store::{SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use adapters::read_models::SqlViews;
use async_trait::async_trait;
use chrono::{NaiveDate, TimeDelta};
use conformance::fakes::call_records::{CallRecords, RecordsOnly};
use conformance::fakes::outbox::MemoryWork;
use domain::billing::Currency;
use domain::billing::matching::{
    CarrierId, CarrierRecord, Charge, MatchDay, MatchSchedule, MatchScheduleCommand, MatchState, begin_of,
};
use domain::envelope::Time;
use domain::ids::{BillingMatchScheduleId, ClientId};
use domain::origin::Origin;
use domain::ports::clock::Clock as _;
use domain::ports::outbox::Cause;
use domain::ports::telephony::{CarrierAccount, CarrierError, RecordPage, RecordPart};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const CALLS: i64 = 1_000_000;
/// One of so many calls is without a record, dearer, longer, or no call of ours.
const EACH: i64 = 4_000;
/// Microseconds between two calls: they fill a day.
const APART: i64 = 86_000;
const CLIENT: ClientId = ClientId(Uuid::from_u128(1));
const PAGE: i64 = 50;

fn day() -> NaiveDate {
    (SystemClock.now() - TimeDelta::days(3)).date_naive()
}

/// The carrier's records: numbers of calls, by the time they began.
#[derive(Debug)]
struct Records;

#[async_trait]
impl CallRecords for Records {
    async fn call_records(
        &self,
        account: CarrierAccount,
        (from, to): (Time, Time),
        after: Option<&str>,
    ) -> Result<RecordPage, CarrierError> {
        if account != CarrierAccount::Node {
            return Err(CarrierError::NotConfigured);
        }
        let number = |at: Time| {
            let micros = (at - begin_of(day())).num_microseconds().unwrap_or(0);
            (micros + APART - 1).div_euclid(APART).clamp(0, CALLS)
        };
        let (first, last) = (number(from), number(to));
        // both kinds of records, one after the other
        let (kind, begin) = after.map_or((0, first), |after| {
            let (kind, begin) = after.split_once(' ').unwrap();
            (kind.parse().unwrap(), begin.parse().unwrap())
        });
        let end = last.min(begin + PAGE);
        let records = (begin..end).filter_map(|number| record(number, kind)).collect();
        let next = match (end < last, kind) {
            (true, _) => Some(format!("{kind} {end}")),
            (false, 0) => Some(format!("1 {first}")),
            (false, _) => None,
        };
        let part = if end < last { RecordPart::GoesOn } else { RecordPart::Complete };
        Ok(RecordPage { records, part, connection: None, next })
    }
}

fn record(number: i64, kind: i64) -> Option<CarrierRecord> {
    let (seconds, micros) = match number % EACH {
        0 => return None,
        1 => (60, [2_000, 2_900][kind as usize]),
        2 => (600, [2_000, 2_800][kind as usize]),
        _ => (60, [2_000, 2_800][kind as usize]),
    };
    Some(CarrierRecord {
        leg: CarrierId(Uuid::from_u128(number as u128 + (1 << 100))),
        session: Some(CarrierId(Uuid::from_u128(number as u128 + (1 << 101)))),
        started_at: begin_of(day()) + TimeDelta::microseconds(number * APART),
        seconds: Some(seconds),
        billed_seconds: Some(seconds),
        charge: Charge { micros, currency: Some(Currency::USD) },
        is_ours: true,
    })
}

/// The rows that a day of calls leaves in the views: each of a minute, and charged.
async fn fill(path: &Path) {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(path)).await.unwrap();
    let begin = begin_of(day()).timestamp_micros();
    let at = |seconds: i64| {
        format!(
            "strftime('%Y-%m-%dT%H:%M:%S', ({begin} + i * {APART}) / 1000000 + {seconds}, 'unixepoch') || '.000000Z'"
        )
    };
    let numbers =
        format!("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {CALLS} - 1)");
    let id = |kind: &str| format!("printf('000000{kind}-0000-0000-0000-%012x', i)");
    let (leg, session) = (id("10"), id("20"));
    let ours = format!("i % {EACH} <> 3");
    let doc = format!(
        "json_object('id', printf('call_%026d', i), 'direction', 'outbound', 'status', 'ended', 'from', '+12025550100', \
         'to', '+12025550123', 'provider', 'telnyx', 'provider_call_id', printf('v3:%040d', i), 'created_at', {}, \
         'answered_at', {}, 'ended_at', {}, 'duration_ms', 60000, 'end_reason', 'caller_hangup', 'metadata', \
         json_object('order', printf('order-%d', i)), 'cost', json_object('amount_micros', 4800, 'currency', 'USD', \
         'items', json_array()), 'version', 9)",
        at(0),
        at(5),
        at(65)
    );
    let fold = format!("json_object('leg', json_object('leg', {leg}, 'session', {session}))");
    let entries = "json('[{\"account\":\"available\",\"debit\":12000},{\"account\":\"revenue:carrier\",\"credit\":12000},\
        {\"account\":\"provider_cost\",\"debit\":4800},{\"account\":\"payable\",\"credit\":4800}]')";
    let client = "X'00000000000000000000000000000001'";
    let statements = [
        "INSERT INTO projections (name, generation) VALUES ('calls', 1), ('clients', 1), ('credit_transactions', 1)".to_owned(),
        "INSERT INTO projection_generations (projection, generation, position) SELECT name, 1, 1000000000 FROM projections"
            .to_owned(),
        format!(
            "{numbers} INSERT INTO calls (generation, id, client_id, created_at, direction, position, version, status, \
             tags, doc, recording, fold) SELECT 1, unhex(printf('%032x', i)), {client}, {begin} + i * {APART}, 'outbound', i, 9, \
             'ended', '{{}}', {doc}, '{{}}', {fold} FROM n WHERE {ours}"
        ),
        format!(
            "{numbers} INSERT INTO credit_transactions (generation, id, client_id, created_at, day, kind, source, amount, \
             carrier, stt, llm, tts, runtime, platform, position, doc) SELECT 1, unhex(printf('f%031x', i)), {client}, \
             {begin} + i * {APART}, 1, 'usage', unhex(printf('%032x', i)), -12000, 12000, 0, 0, 0, 0, 0, i, \
             json_object('id', i, 'kind', 'usage', 'amount', json_object('amount_micros', -12000, 'currency', 'USD'), \
             'items', json_array(), 'entries', {entries}) FROM n WHERE {ours}"
        ),
        "ANALYZE".to_owned(),
    ];
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    }
    pool.close().await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("views.db");
        let views = SqlViews::open_sqlite(&path).await.unwrap();
        let began = Instant::now();
        fill(&path).await;
        println!("{CALLS} calls and their transactions stand in the views after {:.0?}", began.elapsed());
        let store =
            SqliteEventStore::open(&folder.path().join("log.db"), &SqliteSettings::default()).await.unwrap();
        let deps = MatchDeps {
            runtime: Runtime {
                store: Arc::new(store),
                clock: Arc::new(SystemClock),
                ids: Arc::new(RandomIds),
                node: "bench".into(),
                trace: TraceHooks::default(),
                snapshots: None,
            },
            telephony: Arc::new(RecordsOnly(Arc::new(Records))),
            calls: Arc::new(views),
            operator: CLIENT,
            leases: Arc::new(MemoryWork::default()),
        };
        for run in 1..=3 {
            matched(&deps, run).await;
        }
    });
}

/// Has the day matched, and checks that what was planted was found, and nothing else.
async fn matched(deps: &MatchDeps, number: u32) {
    let schedule =
        || Session::<MatchSchedule>::new(deps.runtime.clone(), BillingMatchScheduleId::OF_NODE.stream());
    let cause = Cause { event_id: Uuid::nil(), correlation_id: Uuid::nil(), traceparent: None };
    let context = CommandContext::following("bench", CLIENT, &cause);
    let ask = MatchScheduleCommand::Request { day: day(), origin: Origin::default(), now: SystemClock.now() };
    schedule().execute(&ask, &context, None).await.unwrap();
    let stop = CancellationToken::new();
    let began = Instant::now();
    let options = MatchOptions { look: Duration::from_millis(50), ..MatchOptions::default() };
    let job = tokio::spawn(run(deps.clone(), options, stop.clone()));
    loop {
        let mut schedule = schedule();
        schedule.refresh().await.unwrap();
        if !schedule.state().is_requested(day()) {
            break;
        }
        SystemClock.sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed();
    stop.cancel();
    job.await.unwrap();
    let id = MatchDay::id(CLIENT, "telnyx", day());
    let mut found = Session::<MatchDay>::new(deps.runtime.clone(), id.stream());
    found.refresh().await.unwrap();
    let planted = (CALLS / EACH) as u64;
    let counts = found.state().ran().unwrap().counts;
    let states = MatchState::ALL.iter().map(|state| counts.of(*state)).collect::<Vec<_>>();
    assert_eq!(states, [CALLS as u64 - 4 * planted, planted, planted, 2 * planted], "{counts:?}");
    assert_eq!(found.state().open().count() as u64, 4 * planted);
    println!(
        "run {number}: {took:.1?}; {} matched, {} planted differences found, none invented",
        counts.matched,
        4 * planted
    );
}
