//! The daily match on virtual time: days that are due, records that come late, accounts that fail, and nodes that die.

use std::collections::HashMap;
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
    CarrierId, CarrierRecord, Charge, Finding, MatchCounts, MatchDay, MatchEvent, MatchSchedule,
    MatchScheduleEvent, MatchState, OurCall, begin_of,
};
use domain::envelope::{Recorded, StreamId, Time, Version};
use domain::ids::{BillingMatchScheduleId, CallId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::Direction;
use domain::ports::matching::CallsToMatch;
use domain::ports::outbox::Cause;
use domain::ports::telephony::{CarrierAccount, CarrierError, RecordPage};
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
    CarrierRecord { leg: leg(number), session: None, started_at: at(minute), seconds, billed_seconds, charge }
}

/// A carrier's records, and our calls beside them.
#[derive(Debug, Default)]
struct Both {
    calls: Mutex<HashMap<ClientId, Vec<OurCall>>>,
    /// By account; `None`: it refuses.
    records: Mutex<HashMap<Option<ClientId>, Option<Vec<CarrierRecord>>>>,
    /// Pages that are not answered before the carrier works again.
    away: Mutex<u32>,
    asked: Mutex<u32>,
    /// The node dies with this request.
    dies_at: Mutex<Option<u32>>,
}

impl Both {
    fn change(&self, account: Option<ClientId>, change: impl FnOnce(&mut Vec<CarrierRecord>)) {
        let mut records = self.records.lock().unwrap();
        change(records.entry(account).or_insert(Some(Vec::new())).get_or_insert_default());
    }
}

#[async_trait]
impl CallsToMatch for Both {
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
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        if *self.dies_at.lock().unwrap() == Some(asked) {
            std::future::pending::<()>().await;
        }
        let away = {
            let mut away = self.away.lock().unwrap();
            let left = away.saturating_sub(1);
            std::mem::replace(&mut *away, left)
        };
        if away > 0 {
            return Err(CarrierError::Unavailable { reason: "away".to_owned(), retry_after: None });
        }
        let account = match account {
            CarrierAccount::Node => None,
            CarrierAccount::Client(client) => Some(client),
        };
        let records = self.records.lock().unwrap().get(&account).cloned();
        let mut records = records
            .ok_or(CarrierError::NotConfigured)?
            .ok_or(CarrierError::Gone { code: "10009".to_owned() })?;
        records.retain(|record| from <= record.started_at && record.started_at < to);
        // a record a page
        let page: usize = after.map_or(0, |after| after.parse().unwrap());
        let next = (page + 1 < records.len()).then(|| (page + 1).to_string());
        Ok(RecordPage { records: records.into_iter().skip(page).take(1).collect(), next })
    }
}

struct World {
    both: Arc<Both>,
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
        let deps = MatchDeps {
            runtime: Runtime {
                store: Arc::new(MemoryEventStore::new()),
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
        let world = Self { both, clock, deps, node: None };
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
async fn an_account_without_records_fails_alone_and_invents_nothing() {
    let mut world = World::new().await;
    let calls = HashMap::from([(OWN, vec![call(1, 10), call(2, 20)]), (OTHER, vec![call(3, 30)])]);
    *world.both.calls.lock().unwrap() = calls;
    world.both.change(None, |records| records.extend([record(1, 10), record(3, 30)]));
    world.both.records.lock().unwrap().insert(Some(OWN), None);
    world.start();
    world.runs(1, Duration::from_secs(20)).await;
    let finished = world.finished().await;
    assert_eq!(finished[0].1, 1, "one client failed");
    assert!(finished[0].0 - at(1) > TimeDelta::minutes(30), "tried again after pauses: {finished:?}");
    assert!(world.facts(OWN).await.is_empty());
    assert_eq!(world.counts(OTHER).await.map(|counts| counts.matched), Some(1));
    assert!(world.listed(OPERATOR).await.is_empty(), "1 is a call of the client that failed");
    // the next look finds it working
    world.both.change(Some(OWN), |records| records.push(record(2, 20)));
    world.runs(2, HOUR / 4).await;
    assert_eq!(world.counts(OWN).await.map(|counts| counts.matched), Some(2));
}

#[actix::test]
async fn a_carrier_that_is_away_is_waited_for() {
    let mut world = World::new().await;
    *world.both.calls.lock().unwrap() = HashMap::from([(OTHER, vec![call(1, 10)])]);
    world.both.change(None, |records| records.push(record(1, 10)));
    *world.both.away.lock().unwrap() = 3;
    world.start();
    world.runs(1, SOON).await;
    assert_eq!(world.finished().await[0].1, 0);
    assert!(world.listed(OTHER).await.is_empty());
}

#[actix::test]
async fn a_run_that_is_cut_off_anywhere_is_done_again_and_lists_nothing_twice() {
    for dies_at in [1, 20, 40, 70, 90] {
        let mut world = World::new().await;
        let calls = (1..=5).map(|number| call(number, 10)).collect();
        *world.both.calls.lock().unwrap() = HashMap::from([(OTHER, calls)]);
        world.both.change(Some(OTHER), |records| records.push(record(5, 10)));
        world.both.change(None, |records| records.push(record(9, 10)));
        *world.both.dies_at.lock().unwrap() = Some(dies_at);
        world.start();
        let begun = Instant::now();
        while *world.both.asked.lock().unwrap() < dies_at && world.finished().await.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "it does not get there");
            world.clock.advance(SOON);
            tokio::task::yield_now().await;
        }
        *world.both.dies_at.lock().unwrap() = None;
        world.dies().await;
        world.runs(1, SOON).await;
        let expected: Vec<_> = (1..=4).map(|number| (number, MatchState::OursOnly)).collect();
        assert_eq!(world.listed(OTHER).await, expected, "cut off at request {dies_at}");
        assert_eq!(world.listed(OPERATOR).await, [(9, MatchState::TheirsOnly)], "at request {dies_at}");
    }
}
