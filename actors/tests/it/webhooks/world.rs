//! What deliveries are tested in: the log in memory, the rows in SQLite, endpoints that do as they are told.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actors::session::Session;
use actors::webhooks::{DeliveryDeps, DeliverySender, WebhookOptions, run};
use actors::{Appends, CommandContext, Runtime, TraceHooks};
use adapters::database::Database;
use adapters::event_store::MemoryEventStore;
use adapters::outbox::SqlOutbox;
use async_trait::async_trait;
use bytes::Bytes;
use conformance::fakes::clock::ManualClock;
use domain::envelope::{Actor, Metadata, NewEvent, Position, Recorded, StreamId, Time, Version};
use domain::ids::{CallId, ClientId, DeliveryId, EndpointId};
use domain::origin::Origin;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::deliveries::DeliveryStore;
use domain::ports::event_store::{Direction, EventStore, Expected};
use domain::ports::ids::Ids;
use domain::ports::vault::{Sealed, Vault, VaultError};
use domain::ports::webhooks::{PublicEvents, PublishError, WebhookRequest, WebhookSender};
use domain::testing::ids::SequentialIds;
use domain::webhook::delivery::{Attempt, DeliveryEvent, ErrorClass, Then};
use domain::webhook::endpoint::{
    CustomHeaders, Endpoint, EndpointCommand, EndpointCreated, EndpointPatch, EndpointTerms, Ordering,
};
use domain::webhook::public::PublicEvent;
use domain::webhook::schedule::Schedule;
use domain::wire::DomainEvent;
use serde_bytes::ByteBuf;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) const CLIENT: ClientId = ClientId(Uuid::from_u128(1));
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Does {
    Answer(u16),
    Refuse,
    Hang,
}

/// What was sent where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    pub(super) url: String,
    pub(super) id: String,
    pub(super) body: Bytes,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) at: Time,
}

#[derive(Debug, Default)]
pub(super) struct Net {
    /// By URL; what comes next, and then for good.
    pub(super) next: Mutex<HashMap<String, VecDeque<Does>>>,
    pub(super) always: Mutex<HashMap<String, Does>>,
    pub(super) sent: Mutex<Vec<Sent>>,
}

#[async_trait]
impl WebhookSender for Net {
    async fn send(&self, request: &WebhookRequest) -> Attempt {
        let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
        let sent = Sent {
            url: request.url.clone(),
            id: headers["webhook-id"].clone(),
            body: request.body.clone(),
            headers,
            at: request.now,
        };
        self.sent.lock().unwrap().push(sent);
        let next = self.next.lock().unwrap().get_mut(&request.url).and_then(VecDeque::pop_front);
        let does = next.or_else(|| self.always.lock().unwrap().get(&request.url).copied());
        let does = does.unwrap_or(Does::Answer(200));
        if does == Does::Hang {
            std::future::pending::<()>().await;
        }
        let (status, error) = match does {
            Does::Answer(status @ 200..300) => (Some(status), None),
            Does::Answer(status) => (Some(status), Some(ErrorClass::Status)),
            Does::Refuse | Does::Hang => (None, Some(ErrorClass::Connect)),
        };
        Attempt {
            began_at: request.now,
            latency_ms: 1,
            status,
            error,
            detail: None,
            address: None,
            headers: BTreeMap::new(),
            body: None,
        }
    }
}

/// Every event of a call is told, as its own name.
#[derive(Debug)]
pub(super) struct TellsAll;

#[async_trait]
impl PublicEvents for TellsAll {
    async fn of(&self, facts: &[Recorded]) -> Result<Vec<PublicEvent>, PublishError> {
        let told = |fact: &Recorded| PublicEvent {
            id: fact.id,
            client: fact.client_id,
            position: fact.position,
            event_type: "call.ended".to_owned(),
            subject: fact.stream.id(),
            agent: None,
            at: fact.recorded_at,
            body: Bytes::from(format!("{{\"position\":{}}}", fact.position)),
        };
        Ok(facts.iter().filter(|fact| fact.stream.category() == "call").map(told).collect())
    }
}

/// Seals nothing. What begins with [`FORGED`] or [`AWAY`] does not open.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// How often something did not open.
    pub(super) refused: AtomicUsize,
}

/// What is sealed does not open: it was changed.
pub(super) const FORGED: u8 = 1;
/// The keys cannot be reached.
pub(super) const AWAY: u8 = 2;

#[async_trait]
impl Vault for Open {
    async fn seal(&self, _: ClientId, _: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        Ok(Sealed { key: Uuid::nil(), bytes: ByteBuf::from(plain.to_vec()) })
    }

    async fn open(&self, _: ClientId, _: &str, sealed: &Sealed) -> Result<Vec<u8>, VaultError> {
        let refuse = |error| {
            self.refused.fetch_add(1, Relaxed);
            Err(error)
        };
        match sealed.bytes.first() {
            Some(&FORGED) => refuse(VaultError::Forged),
            Some(&AWAY) => refuse(StoreUnavailable("the keys are away".to_owned()).into()),
            _ => Ok(sealed.bytes.to_vec()),
        }
    }

    async fn secret(&self, _: &str) -> Result<[u8; 32], VaultError> {
        Ok([0; 32])
    }
}

pub(super) async fn open_work(folder: &std::path::Path) -> SqlOutbox {
    SqlOutbox::open(&Database::Sqlite(folder.join("work.db"))).await.unwrap()
}

pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) log: Arc<MemoryEventStore>,
    pub(super) work: Arc<SqlOutbox>,
    pub(super) net: Arc<Net>,
    pub(super) vault: Arc<Open>,
    pub(super) runtime: Runtime,
    pub(super) stop: CancellationToken,
    pub(super) running: Option<tokio::task::JoinHandle<()>>,
    pub(super) folder: Arc<TempDir>,
}

pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not soon enough: {what}");
        tokio::task::yield_now().await;
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let work = Arc::new(open_work(folder.path()).await);
        let mut world = Self::on(Arc::default(), Arc::new(MemoryEventStore::new()), work, folder, 0);
        world.start();
        world
    }

    pub(super) fn on(
        clock: Arc<ManualClock>,
        log: Arc<MemoryEventStore>,
        work: Arc<SqlOutbox>,
        folder: Arc<TempDir>,
        first_id: u64,
    ) -> Self {
        let ids: Arc<dyn Ids> = Arc::new(SequentialIds::after(first_id));
        let runtime = Runtime {
            store: log.clone(),
            clock: clock.clone(),
            node: format!("node-{first_id}").into(),
            ids,
            trace: TraceHooks::default(),
            snapshots: None,
        };
        let (net, stop) = (Arc::new(Net::default()), CancellationToken::new());
        let vault = Arc::default();
        Self { clock, log, work, net, vault, runtime, stop, running: None, folder }
    }

    pub(super) fn start(&mut self) {
        let delivery_sender = DeliverySender::new(
            self.runtime.clone(),
            self.vault.clone(),
            self.net.clone(),
            Schedule::default(),
        );
        let bench = DeliveryDeps {
            runtime: self.runtime.clone(),
            public: Arc::new(TellsAll),
            store: self.work.clone(),
            leases: self.work.clone(),
            delivery_sender: Arc::new(delivery_sender),
        };
        let options = WebhookOptions { arbiters: 1, ..WebhookOptions::default() };
        self.running = Some(tokio::spawn(run(bench, options, self.stop.clone())));
    }

    /// The node dies, and another one begins on what is left: the log, and the rows or none.
    pub(super) async fn reborn(mut self, work: Option<Arc<SqlOutbox>>) -> Self {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap();
        let work = work.unwrap_or_else(|| self.work.clone());
        let mut next = Self::on(self.clock.clone(), self.log.clone(), work, self.folder.clone(), 1_000_000);
        next.start();
        next
    }

    pub(super) fn context(&self) -> CommandContext {
        CommandContext {
            client: CLIENT,
            correlation_id: Uuid::nil(),
            causation_id: None,
            actor: Actor::System("test".to_owned()),
            request_id: None,
            traceparent: None,
            command_id: None,
            origin: Origin::default(),
            appends: Appends::default(),
        }
    }

    pub(super) async fn tell(&self, endpoint: EndpointId, command: EndpointCommand) {
        let mut session = Session::<Endpoint>::new(self.runtime.clone(), endpoint.stream());
        session.execute(&command, &self.context(), None).await.unwrap();
    }

    pub(super) async fn endpoint(&self, url: &str, ordering: Ordering) -> EndpointId {
        self.endpoint_with(url, ordering, vec![7; 32]).await
    }

    pub(super) async fn endpoint_with(&self, url: &str, ordering: Ordering, sealed: Vec<u8>) -> EndpointId {
        let id = EndpointId(self.runtime.ids.next());
        let terms = EndpointTerms {
            url: url.to_owned(),
            events: vec!["call.*".to_owned()],
            agent_id: None,
            description: None,
            enabled: true,
            headers: CustomHeaders::default(),
            ordering,
            rate_limit_per_second: None,
        };
        let secret = Sealed { key: Uuid::nil(), bytes: ByteBuf::from(sealed) };
        let created = EndpointCreated { terms, secret, origin: Origin::default(), at: self.clock.now() };
        self.tell(id, EndpointCommand::Create(Box::new(created))).await;
        id
    }

    pub(super) async fn patch(&self, endpoint: EndpointId, patch: EndpointPatch) {
        let (patch, now) = (Box::new(patch), self.clock.now());
        self.tell(endpoint, EndpointCommand::Update { patch, origin: Origin::default(), now }).await;
    }

    /// Something happens in a call; the id of the event.
    pub(super) async fn happens(&self, call: u128) -> Uuid {
        let id = self.runtime.ids.next();
        let event = NewEvent {
            id,
            event_type: "call.anything".to_owned(),
            schema: 1,
            client_id: CLIENT,
            payload: vec![0x80],
            metadata: Metadata::system("test", id),
            recorded_at: self.clock.now(),
        };
        let stream = StreamId::new(CallId::CATEGORY, Uuid::from_u128(call));
        self.log.append(&stream, Expected::Any, vec![event]).await.unwrap();
        id
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.net.sent.lock().unwrap().clone()
    }

    pub(super) fn sent_to(&self, url: &str) -> Vec<Sent> {
        self.sent().into_iter().filter(|sent| sent.url == url).collect()
    }

    pub(super) async fn sends(&self, count: usize) {
        until(&format!("{count} sent"), async || self.sent().len() >= count).await;
        assert_eq!(self.sent().len(), count);
    }

    /// The same, while the clock goes on: who was about to sleep when it was moved sleeps on by what it had read before.
    pub(super) async fn sends_soon(&self, count: usize) {
        // a minute at most: who waits for a wrong time waits for a day
        for _ in 0..6_000 {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            if self.sent().len() >= count {
                break;
            }
            self.clock.advance(Duration::from_millis(10));
        }
        self.sends(count).await;
    }

    /// Waits until the log is read to its end.
    pub(super) async fn read(&self) {
        until("the log is read", async || {
            DeliveryStore::checkpoint(&*self.work).await.unwrap().position == self.log.head().await.unwrap()
        })
        .await;
    }

    /// The attempts at a delivery, as the log has them.
    pub(super) async fn attempts(&self, endpoint: EndpointId, event: Uuid) -> Vec<(Position, Then)> {
        let stream = DeliveryId::of(endpoint, event).stream();
        let events = self.log.read_stream(&stream, Version::NONE, Direction::Forwards, 500).await.unwrap();
        let then =
            |event: &Recorded| match DeliveryEvent::decode(&event.event_type, event.schema, &event.payload) {
                Ok(DeliveryEvent::Attempted(fact)) => Some((event.position, fact.then)),
                _ => None,
            };
        events.iter().filter_map(then).collect()
    }

    pub(super) async fn attempted(&self, endpoint: EndpointId, event: Uuid, count: usize) -> Then {
        until(&format!("{count} attempts"), async || self.attempts(endpoint, event).await.len() >= count)
            .await;
        self.read().await;
        let attempts = self.attempts(endpoint, event).await;
        assert_eq!(attempts.len(), count);
        attempts[count - 1].1
    }

    pub(super) async fn is_open(&self, endpoint: EndpointId) -> bool {
        let mut session = Session::<Endpoint>::new(self.runtime.clone(), endpoint.stream());
        session.refresh().await.unwrap();
        session.state().is_open()
    }

    pub(super) fn always(&self, url: &str, does: Does) {
        self.net.always.lock().unwrap().insert(url.to_owned(), does);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
