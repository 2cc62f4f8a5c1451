//! The daily match on virtual time: days that are due, records that come late, accounts that fail, and nodes that die.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actors::billing::matching::{MatchDeps, MatchOptions, run};
use actors::{CommandContext, Runtime, Session, TraceHooks};
use adapters::event_store::MemoryEventStore;
use async_trait::async_trait;
use chrono::{NaiveDate, TimeDelta};
use conformance::fakes::call_records::{CallRecords, RecordsOnly};
use conformance::fakes::clock::ManualClock;
use conformance::fakes::outbox::MemoryWork;
use domain::billing::Currency;
use domain::billing::matching::{
    CallKind, CarrierId, CarrierRecord, Charge, Finding, MatchCounts, MatchDay, MatchEvent, MatchSchedule,
    MatchScheduleEvent, MatchState, OurCall, begin_of,
};
use domain::envelope::{NewEvent, Position, Recorded, StreamId, Time, Version};
use domain::ids::{BillingMatchScheduleId, CallId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{AppendError, Appended, Direction, EventStore, Expected, ReadError};
use domain::ports::matching::CallsToMatch;
use domain::ports::outbox::Cause;
use domain::ports::telephony::{CarrierAccount, CarrierError, RecordPage, RecordPart};
use domain::testing::ids::SequentialIds;
use domain::wire::DomainEvent as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);
const OPERATOR: ClientId = ClientId(Uuid::from_u128(1));
/// Has an account of its own.
const OWN: ClientId = ClientId(Uuid::from_u128(2));
const OTHER: ClientId = ClientId(Uuid::from_u128(3));

fn day() -> NaiveDate {
    "2026-05-01".parse().unwrap()
}

fn at(minutes: i64) -> Time {
    begin_of(day()) + TimeDelta::minutes(minutes)
}

fn dollars(micros: i64) -> Charge {
    Charge { micros, currency: Some(Currency::USD) }
}

fn leg(number: u128) -> CarrierId {
    CarrierId(Uuid::from_u128(number))
}

/// A call of a minute that began so many minutes into the day.
fn call(number: u128, minute: i64) -> OurCall {
    OurCall {
        id: CallId(Uuid::from_u128(number)),
        leg: Some(leg(number)),
        session: None,
        connection: None,
        kind: CallKind::Charged,
        began_at: at(minute),
        answered: true,
        ended: true,
        seconds: 60,
        told: Some(dollars(4_800)),
        ledger: Some(dollars(4_800)),
    }
}

fn record(number: u128, minute: i64) -> CarrierRecord {
    let charge = dollars(4_800);
    let (seconds, billed_seconds) = (Some(60), Some(60));
    CarrierRecord {
        leg: leg(number),
        session: None,
        started_at: at(minute),
        seconds,
        billed_seconds,
        charge,
        is_ours: true,
    }
}

/// A carrier's records, and our calls beside them.
#[derive(Debug, Default)]
struct Both {
    calls: Mutex<HashMap<ClientId, Vec<OurCall>>>,
    /// By account; `None`: it refuses.
    records: Mutex<HashMap<Option<ClientId>, Option<Vec<CarrierRecord>>>>,
    asked: Mutex<Vec<Option<ClientId>>>,
    /// Requests, counted from the first one, that the carrier does not answer.
    fails_at: Mutex<Vec<usize>>,
    /// Accounts that do not answer.
    silent: Mutex<Vec<Option<ClientId>>>,
    /// The connections of accounts.
    connections: Mutex<HashMap<Option<ClientId>, CarrierId>>,
    /// Readings of calls that fail before the views can be read again.
    unreadable: AtomicU32,
    /// How far the views are; `None`: they hold all.
    reached: Mutex<Option<Position>>,
}

/// A log with which the node dies at some append.
#[derive(Debug)]
struct DyingLog {
    log: MemoryEventStore,
    appends: AtomicU32,
    /// The append that is never answered, and whether it is written.
    dies_at: Mutex<Option<(u32, bool)>>,
}

#[async_trait]
impl EventStore for DyingLog {
    fn engine(&self) -> &'static str {
        self.log.engine()
    }

    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        let dies = self.dies_at.lock().unwrap().filter(|(at, _)| *at == number);
        if let Some((_, false)) = dies {
            std::future::pending::<()>().await;
        }
        let appended = self.log.append(stream, expected, events).await;
        if dies.is_some() {
            std::future::pending::<()>().await;
        }
        appended
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.log.read_stream(stream, from, direction, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        self.log.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.log.head().await
    }

    async fn wait_past(&self, after: Position) {
        self.log.wait_past(after).await;
    }
}

impl Both {
    fn change(&self, account: Option<ClientId>, change: impl FnOnce(&mut Vec<CarrierRecord>)) {
        let mut records = self.records.lock().unwrap();
        change(records.entry(account).or_insert(Some(Vec::new())).get_or_insert_default());
    }

    /// Number of requests for an account's records.
    fn asked_of(&self, account: Option<ClientId>) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| **asked == account).count()
    }
}

#[async_trait]
impl CallsToMatch for Both {
    async fn reached(&self) -> Result<Position, StoreUnavailable> {
        Ok(self.reached.lock().unwrap().unwrap_or(Position(u64::MAX)))
    }

    async fn charged_since(&self, _: ClientId) -> Result<Option<(Time, Currency)>, StoreUnavailable> {
        Ok(Some((at(-10_000), Currency::USD)))
    }

    async fn legs(
        &self,
        client: ClientId,
        period: (Time, Time),
        after: Option<(Time, CallId)>,
        limit: u32,
    ) -> Result<Vec<OurCall>, StoreUnavailable> {
        let calls = self.calls(client, period, after, limit).await?;
        Ok(calls.into_iter().map(|call| OurCall { ledger: None, ..call }).collect())
    }

    async fn clients(&self, after: Option<ClientId>, limit: u32) -> Result<Vec<ClientId>, StoreUnavailable> {
        let clients = [OPERATOR, OWN, OTHER].into_iter();
        Ok(clients.filter(|client| after.is_none_or(|after| *client > after)).take(limit as usize).collect())
    }

    async fn calls(
        &self,
        client: ClientId,
        (from, to): (Time, Time),
        after: Option<(Time, CallId)>,
        limit: u32,
    ) -> Result<Vec<OurCall>, StoreUnavailable> {
        let fails = |left: u32| left.checked_sub(1);
        if self.unreadable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            return Err(StoreUnavailable("away".to_owned()));
        }
        let calls = self.calls.lock().unwrap();
        let mut calls = calls.get(&client).cloned().unwrap_or_default();
        calls.retain(|call| from <= call.began_at && call.began_at < to);
        calls.sort_by_key(|call| (call.began_at, call.id));
        calls.retain(|call| after.is_none_or(|after| (call.began_at, call.id) > after));
        calls.truncate(limit as usize);
        Ok(calls)
    }
}

#[async_trait]
impl CallRecords for Both {
    async fn call_records(
        &self,
        account: CarrierAccount,
        (from, to): (Time, Time),
        after: Option<&str>,
    ) -> Result<RecordPage, CarrierError> {
        let account = match account {
            CarrierAccount::Node => None,
            CarrierAccount::Client(client) => Some(client),
        };
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(account);
            asked.len()
        };
        let fails = self.fails_at.lock().unwrap().contains(&number);
        if fails || self.silent.lock().unwrap().contains(&account) {
            return Err(CarrierError::Unavailable { reason: "away".to_owned(), retry_after: None });
        }
        let connection = self.connections.lock().unwrap().get(&account).copied();
        let records = self.records.lock().unwrap().get(&account).cloned();
        let mut records = records
            .ok_or(CarrierError::NotConfigured)?
            .ok_or(CarrierError::Gone { code: "10009".to_owned() })?;
        records.retain(|record| from <= record.started_at && record.started_at < to);
        // a record a page
        let page: usize = after.map_or(0, |after| after.parse().unwrap());
        let next = (page + 1 < records.len()).then(|| (page + 1).to_string());
        let part = if next.is_some() { RecordPart::GoesOn } else { RecordPart::Complete };
        let records = records.into_iter().skip(page).take(1).collect();
        Ok(RecordPage { records, part, connection, next })
    }
}

struct World {
    both: Arc<Both>,
    log: Arc<DyingLog>,
    clock: Arc<ManualClock>,
    deps: MatchDeps,
    node: Option<JoinHandle<()>>,
}

impl World {
    /// A node at noon of the day, whose log began in its first minute.
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(at(1)));
        let both = Arc::<Both>::default();
        both.change(None, |_| {});
        let (appends, dies_at) = (AtomicU32::new(0), Mutex::new(None));
        let log = Arc::new(DyingLog { log: MemoryEventStore::new(), appends, dies_at });
        let deps = MatchDeps {
            runtime: Runtime {
                store: log.clone(),
                clock: clock.clone(),
                ids: Arc::new(SequentialIds::default()),
                node: "one".into(),
                trace: TraceHooks::default(),
                snapshots: None,
            },
            telephony: Arc::new(RecordsOnly(both.clone())),
            calls: both.clone(),
            operator: OPERATOR,
            leases: Arc::new(MemoryWork::default()),
        };
        let world = Self { both, log, clock, deps, node: None };
        // anything: the log begins
        world.ask("2026-05-01").await;
        world
    }

    fn start(&mut self) {
        let options = MatchOptions { look: Duration::from_secs(60), page: 2, ..MatchOptions::default() };
        self.node = Some(tokio::spawn(run(self.deps.clone(), options, CancellationToken::new())));
    }

    /// Nothing of what it was doing goes on; another begins on what is stored.
    async fn dies(&mut self) {
        let node = self.node.take().unwrap();
        node.abort();
        assert!(node.await.unwrap_err().is_cancelled());
        self.deps.runtime.node = "two".into();
        self.start();
    }

    async fn ask(&self, day: &str) {
        use domain::billing::matching::MatchScheduleCommand::Request;
        let (day, now) = (day.parse().unwrap(), self.clock_now());
        let mut session = Session::<MatchSchedule>::new(
            self.deps.runtime.clone(),
            BillingMatchScheduleId::OF_NODE.stream(),
        );
        let request = Request { day, origin: Default::default(), now };
        let cause = Cause { event_id: Uuid::nil(), correlation_id: Uuid::nil(), traceparent: None };
        let context = CommandContext::following("test", OPERATOR, &cause);
        session.execute(&request, &context, None).await.unwrap();
    }

    fn clock_now(&self) -> Time {
        self.deps.runtime.clock.now()
    }

    /// Lets time pass until so many runs over the day are done.
    async fn runs(&self, number: usize, step: Duration) {
        let begun = Instant::now();
        while self.finished().await.len() < number {
            assert!(begun.elapsed() < PATIENCE, "not soon enough: {:?}", self.finished().await);
            self.clock.advance(step);
            // a run takes no time here
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn read(&self, stream: &StreamId) -> Vec<Recorded> {
        let log = &self.deps.runtime.store;
        log.read_stream(stream, Version::NONE, Direction::Forwards, 500).await.unwrap()
    }

    /// When runs over the day began, and clients that failed.
    async fn finished(&self) -> Vec<(Time, u64)> {
        let events = self.read(&BillingMatchScheduleId::OF_NODE.stream()).await;
        let finished = events.iter().filter_map(|event| {
            match MatchScheduleEvent::decode(&event.event_type, event.schema, &event.payload).unwrap() {
                MatchScheduleEvent::Finished(run) if run.day == day() => Some((run.began_at, run.failed)),
                _ => None,
            }
        });
        finished.collect()
    }

    async fn facts(&self, client: ClientId) -> Vec<MatchEvent> {
        let events = self.read(&MatchDay::id(client, "telnyx", day()).stream()).await;
        let decode = |event: &Recorded| {
            assert_eq!(event.client_id, client);
            MatchEvent::decode(&event.event_type, event.schema, &event.payload).unwrap()
        };
        events.iter().map(decode).collect()
    }

    /// What was listed of a client, in order: leg and state.
    async fn listed(&self, client: ClientId) -> Vec<(u128, MatchState)> {
        let facts = self.facts(client).await;
        let listed = facts.into_iter().filter_map(|fact| match fact {
            MatchEvent::Listed(listed) => {
                let Finding { leg, state, .. } = listed.finding;
                Some((leg.unwrap().as_u128(), state))
            }
            _ => None,
        });
        listed.collect()
    }

    /// What the last run over the client's day came to.
    async fn counts(&self, client: ClientId) -> Option<MatchCounts> {
        let ran = |fact: &MatchEvent| match fact {
            MatchEvent::Ran(ran) => Some(ran.counts),
            _ => None,
        };
        self.facts(client).await.iter().rev().find_map(ran)
    }
}

const SOON: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

#[actix::test]
async fn each_client_has_its_own_findings_and_what_is_nobodys_is_the_operators() {
    let mut world = World::new().await;
    let calls = HashMap::from([
        (OPERATOR, vec![call(11, 10)]),
        // 24 moved to its own account during the day: the node's account has its record
        (OWN, vec![call(21, 10), call(22, 20), call(23, 30), call(24, 40)]),
        (OTHER, vec![call(31, 10), call(32, 20), call(33, 30)]),
    ]);
    *world.both.calls.lock().unwrap() = calls;
    world.both.change(None, |records| {
        let dearer = CarrierRecord { charge: dollars(5_000), ..record(32, 20) };
        records.extend([record(11, 10), record(24, 40), record(31, 10), dearer, record(99, 50)]);
    });
    world.both.change(Some(OWN), |records| records.extend([record(21, 10), record(22, 20), record(29, 70)]));
    world.start();
    world.runs(1, SOON).await;
    assert_eq!(world.listed(OPERATOR).await, [(99, MatchState::TheirsOnly)]);
    assert_eq!(world.listed(OWN).await, [(23, MatchState::OursOnly), (29, MatchState::TheirsOnly)]);
    assert_eq!(world.listed(OTHER).await, [(32, MatchState::Differs), (33, MatchState::OursOnly)]);
    let counts = world.counts(OWN).await.unwrap();
    assert_eq!((counts.matched, counts.ours_only, counts.theirs_only), (3, 1, 1));
}

#[actix::test]
async fn late_records_are_looked_for_on_the_following_days_and_nothing_is_listed_twice() {
    let mut world = World::new().await;
    let calls = vec![call(1, 10), call(2, 20), call(3, 1_439)];
    *world.both.calls.lock().unwrap() = HashMap::from([(OTHER, calls)]);
    // by the carrier's clock the last one began on the next day, and 7 is the one whose call we know too late
    world.both.change(None, |records| records.extend([record(1, 10), record(3, 1_441), record(7, 30)]));
    world.start();
    world.runs(1, SOON).await;
    assert_eq!(world.listed(OTHER).await, [(2, MatchState::OursOnly)]);
    world.runs(2, HOUR / 4).await;
    assert_eq!(world.listed(OTHER).await, [(2, MatchState::OursOnly)]);
    assert_eq!(world.listed(OPERATOR).await, [(7, MatchState::TheirsOnly)]);
    world.both.change(None, |records| records.push(record(2, 20)));
    world.both.calls.lock().unwrap().get_mut(&OTHER).unwrap().push(call(7, 30));
    world.runs(3, HOUR / 4).await;
    assert_eq!(world.listed(OTHER).await, [(2, MatchState::OursOnly), (2, MatchState::Matched)]);
    let counts = world.counts(OTHER).await.unwrap();
    assert_eq!((counts.matched, counts.ours_only), (4, 0));
    let settled = world.facts(OPERATOR).await;
    assert!(settled.iter().any(|fact| matches!(fact, MatchEvent::Settled(_))), "{settled:?}");
    world.runs(4, HOUR).await;
    let since: Vec<_> =
        world.finished().await.iter().map(|(began, _)| (*began - at(0)).num_hours()).collect();
    assert_eq!(since[0], 0, "it was asked for");
    assert!((30..32).contains(&since[1]) && (54..56).contains(&since[2]) && (174..177).contains(&since[3]));
}

#[actix::test]
async fn views_that_trail_the_log_are_waited_for() {
    let mut world = World::new().await;
    *world.both.calls.lock().unwrap() = HashMap::from([(OTHER, vec![call(1, 10)])]);
    world.both.change(None, |records| records.extend([record(1, 10), record(2, 20)]));
    // one is empty, as after an upgrade
    *world.both.reached.lock().unwrap() = Some(Position::START);
    world.start();
    for _ in 0..30 {
        world.clock.advance(Duration::from_secs(60));
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((world.finished().await.len(), world.both.asked_of(None)), (0, 0));
    assert!(world.facts(OPERATOR).await.is_empty());
    *world.both.reached.lock().unwrap() = None;
    world.runs(1, SOON).await;
    assert_eq!(world.listed(OPERATOR).await, [(2, MatchState::TheirsOnly)]);
    assert_eq!(world.counts(OTHER).await.map(|counts| counts.matched), Some(1));
}

#[actix::test]
async fn an_account_that_refuses_fails_alone_and_at_once_and_invents_nothing() {
    let mut world = World::new().await;
    let calls = HashMap::from([(OWN, vec![call(1, 10), call(2, 20)]), (OTHER, vec![call(3, 30)])]);
    *world.both.calls.lock().unwrap() = calls;
    world.both.change(None, |records| records.extend([record(1, 10), record(3, 30)]));
    world.both.records.lock().unwrap().insert(Some(OWN), None);
    world.start();
    world.runs(1, SOON).await;
    let finished = world.finished().await;
    assert_eq!(finished[0].1, 1, "one client failed");
    assert!(world.clock_now() - at(1) < TimeDelta::minutes(5), "a refusal is for good");
    assert!(world.facts(OWN).await.is_empty());
    assert_eq!(world.counts(OTHER).await.map(|counts| counts.matched), Some(1));
    assert!(world.listed(OPERATOR).await.is_empty(), "1 is a call of the client that failed");
    // the next look finds it working
    world.both.change(Some(OWN), |records| records.push(record(2, 20)));
    world.runs(2, HOUR / 4).await;
    assert_eq!(world.counts(OWN).await.map(|counts| counts.matched), Some(2));
}

#[actix::test]
async fn only_a_client_whose_account_is_away_is_tried_again() {
    let mut world = World::new().await;
    let calls = HashMap::from([(OWN, vec![call(1, 10)]), (OTHER, vec![call(3, 30)])]);
    *world.both.calls.lock().unwrap() = calls;
    world.both.change(None, |records| records.push(record(3, 30)));
    world.both.change(Some(OWN), |records| records.push(record(1, 10)));
    world.both.silent.lock().unwrap().push(Some(OWN));
    world.start();
    world.runs(1, Duration::from_secs(20)).await;
    assert_eq!(world.finished().await[0].1, 1);
    assert!(world.clock_now() - at(1) > TimeDelta::minutes(30), "tried again after pauses");
    assert!(world.facts(OWN).await.is_empty());
    let of_other = world.facts(OTHER).await;
    assert_eq!(of_other.len(), 1, "it ran once: {of_other:?}");
    assert_eq!(world.both.asked_of(Some(OTHER)), 1);
}

#[actix::test]
async fn views_that_cannot_be_read_have_the_day_wait_and_not_the_carrier_asked_all_the_time() {
    let mut world = World::new().await;
    *world.both.calls.lock().unwrap() = HashMap::from([(OTHER, vec![call(1, 10)])]);
    world.both.change(None, |records| records.push(record(1, 10)));
    world.both.unreadable.store(2, Ordering::SeqCst);
    world.start();
    world.runs(1, Duration::from_secs(20)).await;
    assert_eq!(world.counts(OTHER).await.map(|counts| counts.matched), Some(1));
    // five minutes after the first attempt, and ten after the second
    assert!(world.clock_now() - at(1) > TimeDelta::minutes(15));
    let hours_of_a_day_and_its_margins = 36;
    assert_eq!(world.both.asked_of(None), 3 * hours_of_a_day_and_its_margins);
}

#[actix::test]
async fn a_call_is_judged_by_the_account_it_went_through() {
    let mut world = World::new().await;
    let [of_node, of_own, gone] = [leg(1_001), leg(1_002), leg(1_003)];
    let through = |number, connection| OurCall { connection: Some(connection), ..call(number, 10) };
    let calls = HashMap::from([
        (OWN, vec![through(1, of_own), through(2, of_own), through(3, of_node), through(4, gone)]),
        (OTHER, vec![through(5, of_node), through(6, gone)]),
    ]);
    *world.both.calls.lock().unwrap() = calls;
    *world.both.connections.lock().unwrap() = HashMap::from([(None, of_node), (Some(OWN), of_own)]);
    world.both.change(None, |records| records.extend([record(3, 10), record(5, 10)]));
    world.both.change(Some(OWN), |records| records.extend([record(1, 10), record(9, 10)]));
    world.start();
    world.runs(1, SOON).await;
    let listed = [(2, MatchState::OursOnly), (9, MatchState::TheirsOnly)];
    assert_eq!(world.listed(OWN).await, listed);
    // 4 and 6 went through accounts that are none any more
    assert!(world.listed(OTHER).await.is_empty());
    let unread = |counts: Option<MatchCounts>| counts.map(|counts| (counts.matched, counts.unread));
    assert_eq!(unread(world.counts(OWN).await), Some((2, 1)));
    assert_eq!(unread(world.counts(OTHER).await), Some((1, 1)));
    // the client takes its account away: nothing is invented, and nothing is settled
    world.both.records.lock().unwrap().remove(&Some(OWN));
    world.runs(2, HOUR / 4).await;
    assert_eq!(world.listed(OWN).await, listed);
    assert_eq!(unread(world.counts(OWN).await), Some((1, 3)));
    let settled = world.facts(OWN).await;
    assert!(!settled.iter().any(|fact| matches!(fact, MatchEvent::Settled(_))), "{settled:?}");
}

#[actix::test]
async fn a_call_that_is_not_seen_again_stays_listed_and_one_that_was_merged_is_settled() {
    let mut world = World::new().await;
    let calls = HashMap::from([(OTHER, vec![call(1, 10), call(2, 20), call(3, 30)])]);
    *world.both.calls.lock().unwrap() = calls;
    world.both.change(None, |records| records.push(record(3, 30)));
    world.start();
    world.runs(1, SOON).await;
    assert_eq!(world.listed(OTHER).await, [(1, MatchState::OursOnly), (2, MatchState::OursOnly)]);
    // another stream of the same leg: it is no call, and takes nothing from the one that it was merged into
    let merged = |number| OurCall { kind: CallKind::Merged, ..call(number, 20) };
    let same = OurCall { id: CallId(Uuid::from_u128(4)), ..merged(3) };
    let calls = HashMap::from([(OTHER, vec![same, merged(2), call(3, 30)])]);
    *world.both.calls.lock().unwrap() = calls;
    world.runs(2, HOUR / 4).await;
    let facts = world.facts(OTHER).await;
    let settled: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            MatchEvent::Settled(settled) => Some(settled.id),
            _ => None,
        })
        .collect();
    let id = MatchDay::id(OTHER, "telnyx", day());
    assert_eq!(settled, [Finding::id_of_call(CallId(Uuid::from_u128(2)), id)]);
    let counts = world.counts(OTHER).await.unwrap();
    assert_eq!((counts.matched, counts.ours_only), (1, 0));
}

#[actix::test]
async fn a_long_call_over_midnight_has_all_its_legs_on_its_own_day() {
    let mut world = World::new().await;
    let long = |number, minute| OurCall {
        session: Some(leg(number + 500)),
        told: Some(dollars(9_600)),
        ledger: Some(dollars(9_600)),
        ..call(number, minute)
    };
    // from 21:00 of the day before to 00:10, and from 23:30 to 02:40 of the next day
    *world.both.calls.lock().unwrap() = HashMap::from([(OTHER, vec![long(1, -180), long(2, 1_410)])]);
    let of_call =
        |number, leg, minute| CarrierRecord { session: long(number, 0).session, ..record(leg, minute) };
    world.both.change(None, |records| {
        records.extend([
            of_call(1, 1, -180),
            of_call(1, 11, 10),
            of_call(2, 2, 1_410),
            of_call(2, 12, 1_600),
        ]);
    });
    world.start();
    world.runs(1, SOON).await;
    assert!(world.listed(OTHER).await.is_empty() && world.listed(OPERATOR).await.is_empty());
    assert_eq!(world.counts(OTHER).await.map(|counts| counts.matched), Some(1));
}

#[actix::test]
async fn two_clients_calls_in_one_session_have_their_own_legs() {
    let mut world = World::new().await;
    let session = Some(leg(700));
    let [one, two] = [call(1, 10), call(2, 11)].map(|call| OurCall { session, told: None, ..call });
    *world.both.calls.lock().unwrap() = HashMap::from([(OWN, vec![one]), (OTHER, vec![two])]);
    world.both.change(None, |records| {
        records.extend([record(1, 10), record(2, 11)].map(|record| CarrierRecord { session, ..record }));
    });
    world.start();
    world.runs(1, SOON).await;
    for client in [OWN, OTHER] {
        assert!(world.listed(client).await.is_empty());
        assert_eq!(world.counts(client).await.map(|counts| counts.matched), Some(1));
    }
}

#[actix::test]
async fn a_page_that_fails_is_asked_for_again_and_not_the_whole_hour() {
    let pages = |fails_at: Vec<usize>| async move {
        let mut world = World::new().await;
        let numbers = 1..=20;
        let calls = numbers.clone().map(|number| call(number, 10)).collect();
        *world.both.calls.lock().unwrap() = HashMap::from([(OTHER, calls)]);
        world.both.change(None, |records| records.extend(numbers.map(|number| record(number, 10))));
        *world.both.fails_at.lock().unwrap() = fails_at;
        world.start();
        world.runs(1, SOON).await;
        assert_eq!(world.finished().await[0].1, 0);
        assert_eq!(world.counts(OTHER).await.map(|counts| counts.matched), Some(20));
        world.both.asked_of(None)
    };
    let usual = pages(vec![]).await;
    // more failures than an hour is allowed in a row
    let fails_at = vec![1, 2, 15, 20, 24, 28, 32, 36];
    assert_eq!(pages(fails_at.clone()).await, usual + fails_at.len());
}

#[actix::test]
async fn a_run_that_is_cut_off_at_any_append_is_done_again_and_lists_nothing_twice() {
    // two portions of findings, the client's result, the operator's finding and result, and the end of the day
    for (number, written) in (1..=6).flat_map(|number| [(number, false), (number, true)]) {
        let mut world = World::new().await;
        let calls: Vec<_> = (1..=250).map(|number| call(number, 10)).collect();
        *world.both.calls.lock().unwrap() = HashMap::from([(OTHER, calls)]);
        world.both.change(None, |records| records.push(record(999, 10)));
        let before = world.log.appends.load(Ordering::SeqCst);
        *world.log.dies_at.lock().unwrap() = Some((before + number, written));
        world.start();
        let begun = Instant::now();
        while world.log.appends.load(Ordering::SeqCst) < before + number {
            assert!(begun.elapsed() < PATIENCE, "it does not get to append {number}");
            world.clock.advance(SOON);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.finished().await.len(), usize::from(number == 6 && written));
        world.dies().await;
        world.runs(1, SOON).await;
        let expected: Vec<_> = (1..=250).map(|number| (number, MatchState::OursOnly)).collect();
        assert_eq!(world.listed(OTHER).await, expected, "cut off at append {number}, {written}");
        assert_eq!(world.listed(OPERATOR).await, [(999, MatchState::TheirsOnly)], "at append {number}");
    }
}
