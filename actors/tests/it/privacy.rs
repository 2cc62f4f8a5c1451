//! Erasures and retention on virtual time: whatever is cut off is done again, and told once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actors::privacy::{Begun, PrivacyDeps, PrivacyOptions, begin, run};
use actors::{Appends, CommandContext, Runtime, TraceHooks};
use adapters::database::Database;
use adapters::event_store::MemoryEventStore;
use adapters::objects::Objects;
use adapters::outbox::SqlOutbox;
use async_trait::async_trait;
use conformance::fakes::clock::ManualClock;
use conformance::fakes::outbox::MemoryWork;
use domain::envelope::{Actor, Position, StreamId, Time, Version};
use domain::ids::{ClientId, PrivacyJobId, SubjectId};
use domain::origin::Origin;
use domain::ports::StoreUnavailable;
use domain::ports::event_store::Direction;
use domain::ports::privacy::{Cleaning, Findings, OpenJob, PersonalData};
use domain::ports::telephony::{CarrierError, RefusedBecause};
use domain::privacy::job::{JobKind, NamedBy, PrivacyJobEvent};
use domain::privacy::policy::{PolicyEvent, RetentionKind, RetentionRan};
use domain::testing::ids::{SequentialIds, sequential};
use domain::wire::DomainEvent as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::world::{CLIENT, ScriptedCarrier};

const PATIENCE: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(24 * 3600);
const KEY_LIFE: Duration = Duration::from_secs(30);
const OPERATOR: ClientId = ClientId(Uuid::from_u128(1));
const PERSON: SubjectId = SubjectId(Uuid::from_u128(2));
const JOB: PrivacyJobId = PrivacyJobId(Uuid::from_u128(3));

/// Remembers what was asked of it, in order.
#[derive(Debug, Default)]
struct Data {
    asked: Mutex<Vec<&'static str>>,
    open: Mutex<Vec<OpenJob>>,
    /// The node dies after doing this, before it can say so.
    dies_after: Mutex<Option<&'static str>>,
}

impl Data {
    async fn does(&self, what: &'static str) {
        self.asked.lock().unwrap().push(what);
        let dies = self.dies_after.lock().unwrap().take_if(|last| *last == what).is_some();
        if dies {
            std::future::pending::<()>().await;
        }
    }

    fn count(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| **asked == what).count()
    }
}

#[async_trait]
impl PersonalData for Data {
    async fn open(&self, job: OpenJob) -> Result<(), StoreUnavailable> {
        self.open.lock().unwrap().push(job);
        Ok(())
    }

    async fn open_jobs(&self, _: u32) -> Result<Vec<OpenJob>, StoreUnavailable> {
        Ok(self.open.lock().unwrap().clone())
    }

    async fn close(&self, job: PrivacyJobId) -> Result<(), StoreUnavailable> {
        self.does("close").await;
        self.open.lock().unwrap().retain(|open| open.id != job);
        Ok(())
    }

    fn key_life(&self) -> Duration {
        KEY_LIFE
    }

    async fn destroy(&self, _: ClientId, persons: &[SubjectId]) -> Result<Vec<Uuid>, StoreUnavailable> {
        assert_eq!(persons, [PERSON]);
        let first = self.count("destroy") == 0;
        self.does("destroy").await;
        Ok(first.then_some(sequential(9)).into_iter().collect())
    }

    async fn find(&self, _: ClientId, _: &[SubjectId]) -> Result<Findings, StoreUnavailable> {
        self.does("find").await;
        let events = BTreeMap::from([("call.received".to_owned(), 1)]);
        let streams = vec![StreamId::new("call", sequential(7))];
        let recordings = vec![sequential(21).to_string(), sequential(22).to_string()];
        Ok(Findings { events, streams, values: 2, recordings, files: Vec::new(), through: Position(1) })
    }

    async fn clean_now(&self, _: ClientId, persons: &[SubjectId]) -> Result<(), StoreUnavailable> {
        assert_eq!(persons, [PERSON]);
        self.does("clean_now").await;
        Ok(())
    }

    async fn clean(&self, _: ClientId, _: &Findings, _: Position) -> Result<Cleaning, StoreUnavailable> {
        self.does("clean").await;
        Ok(Cleaning { views: vec!["calls".to_owned()], public_events: 3, attempts: 4 })
    }

    async fn export(&self, _: OpenJob, _: &[SubjectId], _: Time) -> Result<Findings, StoreUnavailable> {
        self.does("export").await;
        Ok(Findings::default())
    }

    async fn end_content(&self) -> Result<BTreeMap<ClientId, u64>, StoreUnavailable> {
        Ok(BTreeMap::new())
    }

    async fn exported(
        &self,
        _: ClientId,
        _: PrivacyJobId,
        _: Time,
    ) -> Result<Option<Vec<u8>>, StoreUnavailable> {
        Ok(None)
    }
}

struct World {
    data: Arc<Data>,
    carrier: Arc<ScriptedCarrier>,
    clock: Arc<ManualClock>,
    bench: PrivacyDeps,
    node: Option<(JoinHandle<()>, CancellationToken)>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("work.db"));
        let deliveries = Arc::new(SqlOutbox::open(&database).await.unwrap());
        let (data, clock) = (Arc::<Data>::default(), Arc::<ManualClock>::default());
        let carrier = Arc::<ScriptedCarrier>::default();
        let bench = PrivacyDeps {
            runtime: Runtime {
                store: Arc::new(MemoryEventStore::new()),
                clock: clock.clone(),
                ids: Arc::new(SequentialIds::default()),
                node: "one".into(),
                trace: TraceHooks::default(),
                snapshots: None,
            },
            data: data.clone(),
            telephony: carrier.clone(),
            objects: Arc::new(Objects::in_memory()),
            index: None,
            operator: OPERATOR,
            deliveries,
            leases: Arc::new(MemoryWork::default()),
        };
        let mut world = Self { data, carrier, clock, bench, node: None, _folder: folder };
        world.start();
        world
    }

    fn start(&mut self) {
        let stop = CancellationToken::new();
        let options = PrivacyOptions {
            audit_retention: 30 * DAY,
            session_retention: 3 * DAY,
            ..PrivacyOptions::default()
        };
        self.node = Some((tokio::spawn(run(self.bench.clone(), options, stop.clone())), stop));
    }

    /// Nothing of what it was doing goes on; another begins on what is stored.
    async fn dies(&mut self) {
        let (node, _) = self.node.take().unwrap();
        node.abort();
        assert!(node.await.unwrap_err().is_cancelled());
        self.bench.runtime.node = "two".into();
        self.start();
    }

    /// Lets time pass in steps until it holds.
    async fn until(&self, step: Duration, mut holds: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < PATIENCE, "not soon enough");
            self.clock.advance(step);
            tokio::task::yield_now().await;
        }
    }

    async fn events(&self, stream: &StreamId) -> Vec<String> {
        let log = &self.bench.runtime.store;
        let events = log.read_stream(stream, Version::NONE, Direction::Forwards, 500).await.unwrap();
        events.into_iter().map(|event| event.event_type).collect()
    }

    async fn runs(&self, kind: RetentionKind) -> Vec<RetentionRan> {
        let log = &self.bench.runtime.store;
        let events = log.read_stream(&kind.stream(), Version::NONE, Direction::Forwards, 500).await.unwrap();
        let ran = |event: &domain::envelope::Recorded| {
            assert_eq!(event.client_id, OPERATOR);
            match PolicyEvent::decode(&event.event_type, event.schema, &event.payload).unwrap() {
                PolicyEvent::RetentionRan(ran) => ran,
                PolicyEvent::Changed(_) => panic!("no run"),
            }
        };
        events.iter().map(ran).collect()
    }

    async fn asks(&self) {
        let context = CommandContext {
            client: CLIENT,
            correlation_id: sequential(1),
            causation_id: None,
            actor: Actor::System("test".to_owned()),
            request_id: None,
            traceparent: None,
            command_id: None,
            origin: Origin::default(),
            appends: Appends::default(),
        };
        let begun = Begun {
            id: JOB,
            kind: JobKind::Erase,
            subject: PERSON,
            named_by: NamedBy::Phone,
            persons: vec![PERSON],
            origin: Origin::default(),
        };
        begin(&self.bench, &context, begun).await.unwrap();
    }
}

#[actix::test]
async fn an_erasure_cut_off_after_any_step_is_finished_by_another_node_and_every_step_is_told_once() {
    for step in ["destroy", "find", "clean", "close"] {
        let mut world = World::new().await;
        *world.data.dies_after.lock().unwrap() = Some(step);
        world.asks().await;
        world.until(Duration::from_millis(100), async || world.data.count(step) == 1).await;
        world.dies().await;
        let open = async || world.data.open.lock().unwrap().is_empty();
        world.until(Duration::from_millis(100), open).await;
        let told = world.events(&JOB.stream()).await;
        let names = ["requested", "keys_destroyed", "data_found", "copies_cleaned", "completed"];
        assert_eq!(told, names.map(|name| format!("privacy_job.{name}")), "cut off after {step}");
        assert_eq!(world.data.count(step), 2, "{step} is done again");
    }
}

#[actix::test]
async fn nothing_is_searched_before_every_node_has_forgotten_the_keys() {
    let world = World::new().await;
    let asked_at = world.clock_now();
    world.asks().await;
    world.until(Duration::from_secs(1), async || world.data.count("find") == 1).await;
    assert!((world.clock_now() - asked_at).to_std().unwrap() >= KEY_LIFE);
}

#[actix::test]
async fn what_is_shown_of_a_person_stops_at_once_and_is_cleaned_again_when_nobody_remembers_the_keys() {
    let world = World::new().await;
    let asked_at = world.clock_now();
    world.asks().await;
    world.until(Duration::from_secs(1), async || world.data.count("clean_now") == 1).await;
    assert!((world.clock_now() - asked_at).to_std().unwrap() < KEY_LIFE);
    assert_eq!(world.data.count("clean"), 0);
    world.until(Duration::from_secs(1), async || world.data.count("clean") == 1).await;
    assert_eq!(world.data.count("clean_now"), 1);
}

#[actix::test]
async fn a_clock_that_is_set_neither_puts_an_erasure_off_nor_brings_it_forward() {
    for days in [-1, 3] {
        let world = World::new().await;
        world.asks().await;
        world.until(Duration::from_secs(1), async || world.data.count("clean_now") == 1).await;
        world.clock.jump(chrono_days(days));
        let set_at = world.clock_now();
        world.until(Duration::from_secs(1), async || world.data.count("clean") == 1).await;
        let passed = (world.clock_now() - set_at).to_std().unwrap();
        // virtual time runs on while real stores are at work, so only its order of magnitude can be told
        let least = KEY_LIFE.saturating_sub(Duration::from_secs(8));
        assert!((least..DAY / 2).contains(&passed), "{passed:?} after {days} days");
    }
}

/// What the receipt says of recordings: deleted, and left with the carrier.
async fn recordings_after(errors: impl IntoIterator<Item = CarrierError>) -> (u64, u64, usize) {
    let world = World::new().await;
    world.carrier.fails_next(errors);
    world.asks().await;
    world.until(Duration::from_secs(10), async || world.data.open.lock().unwrap().is_empty()).await;
    let log = &world.bench.runtime.store;
    let events = log.read_stream(&JOB.stream(), Version::NONE, Direction::Forwards, 50).await.unwrap();
    let cleaned = events.iter().find_map(|event| {
        match PrivacyJobEvent::decode(&event.event_type, event.schema, &event.payload).unwrap() {
            PrivacyJobEvent::CopiesCleaned(cleaned) => Some(cleaned),
            _ => None,
        }
    });
    let cleaned = cleaned.unwrap();
    (cleaned.recordings, cleaned.recordings_left, world.carrier.asked_names().len())
}

#[actix::test]
async fn recordings_are_deleted_by_the_carrier_however_long_it_is_away_up_to_a_day() {
    let away = || CarrierError::Unavailable { reason: "away".to_owned(), retry_after: None };
    let refused = || CarrierError::Refused {
        because: RefusedBecause::Settings,
        status: 403,
        code: "10010".to_owned(),
        title: "no".to_owned(),
    };
    assert_eq!(recordings_after([]).await, (2, 0, 2));
    assert_eq!(recordings_after([away(), away(), away()]).await, (2, 0, 5));
    assert_eq!(recordings_after([refused()]).await, (1, 1, 2), "the receipt says what is left to do");
    let (deleted, left, _) = recordings_after(std::iter::repeat_with(away).take(200_000)).await;
    assert_eq!((deleted, left), (0, 2), "it is not waited for for ever");
}

impl World {
    fn clock_now(&self) -> Time {
        self.bench.runtime.clock.now()
    }
}

#[actix::test]
async fn retention_runs_once_a_day_whoever_runs_it_and_every_run_is_an_event() {
    let mut world = World::new().await;
    // a log that is empty has nothing that could be too old
    let looks = AtomicU64::new(0);
    world.until(Duration::from_secs(3600), async || looks.fetch_add(1, Ordering::Relaxed) > 100).await;
    assert!(world.runs(RetentionKind::AuditLog).await.is_empty());

    world.asks().await;
    let begun = world.clock_now();
    for day in 1..=4 {
        let ran = async || world.runs(RetentionKind::IvrSessions).await.len() >= day;
        world.until(Duration::from_secs(600), ran).await;
        // a node that takes over goes by the log
        world.dies().await;
    }
    for (kind, kept) in [
        (RetentionKind::AuditLog, 30 * DAY),
        (RetentionKind::WebhookAttempts, 90 * DAY),
        (RetentionKind::IvrSessions, 3 * DAY),
    ] {
        world.until(Duration::ZERO, async || world.runs(kind).await.len() >= 4).await;
        let runs = world.runs(kind).await;
        let times: Vec<Time> = std::iter::once(begun).chain(runs.iter().map(|ran| ran.at)).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= chrono_days(1)), "{kind:?} {times:?}");
        assert!(runs.iter().all(|ran| ran.before == Some(ran.at - kept)), "{runs:?}");
    }
}

fn chrono_days(days: i64) -> chrono::TimeDelta {
    chrono::TimeDelta::days(days)
}
