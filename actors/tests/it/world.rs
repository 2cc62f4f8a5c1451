//! A node without edges: the log and the work in memory, a carrier that does as it is told, time that stands.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::billing::{Billing, BillingOptions, ClientTerms, Ledger, LedgerOptions, PriceBooks, SpendGuards};
use actors::call::{Calls, CallsOptions};
use actors::carrier::CarrierInbox;
use actors::conversation::{ConversationDeps, ConversationOptions, ConversationService, Voice};
use actors::directory::{KnownNumber, NumberDirectory};
use actors::hosted::HostedDeps;
use actors::ivr::{IvrDriver, IvrNewsChannel, IvrSessions, MenuLibrary};
use actors::knowledge::KnowledgeDeps;
use actors::outbox::{OutboxDeps, OutboxOptions, RecordingDeps};
use actors::uploads::Uploads;
use actors::{Appends, CommandContext, Runtime, TraceHooks};
use adapters::event_store::MemoryEventStore;
use adapters::objects::Objects;
use async_trait::async_trait;
use conformance::fakes::clock::ManualClock;
use conformance::fakes::outbox::MemoryWork;
use domain::billing::BillingTerms;
use domain::call::report::{CarrierFact, CarrierReport, FoundRecording, LegRef, LegTag};
use domain::call::terms::Direction;
use domain::call::{CallCommand, CallEvent, Queue, StoredFile};
use domain::envelope::{Actor, Position, Recorded, Time, Version};
use domain::ids::{CallId, ClientId, MenuId, NumberId};
use domain::ivr::session::{StepAnswer, WebhookOutcome};
use domain::number::Route;
use domain::object_url::TokenSigner;
use domain::origin::Origin;
use domain::phone::Party;
use domain::ports::clock::Clock;
use domain::ports::event_store::{Direction as Way, EventStore};
use domain::ports::ids::Ids;
use domain::ports::ivr_webhook::{StepQuestion, StepWebhooks};
use domain::ports::objects::{ObjectError, ObjectKey};
use domain::ports::outbox::OutboxStore;
use domain::ports::recordings::{KeepError, RecordingKeeper, RecordingOrder};
use domain::ports::telephony::{CarrierError, Dial, LegCommand, LegState, Telephony};
use domain::testing::ids::SequentialIds;
use domain::wire::DomainEvent;
use domain::zones::Zones;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::talking::{NoTools, NoVault, OnlyScripted};

pub const CLIENT: ClientId = ClientId(Uuid::from_u128(1));
pub const OUR_NUMBER: &str = "+12025550188";
/// Its calls go to the menu.
pub const MENU_NUMBER: &str = "+12025550177";
pub const MENU: MenuId = MenuId(Uuid::from_u128(11));

/// What the carrier was asked, in order: the command's name and id.
pub type Asked = (String, Uuid);

/// A carrier that does as it is told.
#[derive(Debug, Default)]
pub struct ScriptedCarrier {
    pub asked: Mutex<Vec<Asked>>,
    /// Answers to the next requests; when they run out, everything succeeds.
    pub answers: Mutex<VecDeque<CarrierError>>,
    /// What a search for a lost dial finds.
    pub lost_leg: Mutex<Option<LegRef>>,
    pub leg_gone: Mutex<bool>,
    /// A dial is carried out at once, and answered once this is cancelled; `None`: at once.
    pub answers_dials: Mutex<Option<CancellationToken>>,
    /// Where recordings are now.
    pub kept: Mutex<Option<FoundRecording>>,
    /// What the bodies of webhooks say.
    pub webhooks: Mutex<HashMap<Vec<u8>, CarrierReport>>,
}

pub fn leg(name: &str) -> LegRef {
    LegRef {
        control_id: Some(format!("v3:{name}")),
        leg_id: name.to_owned(),
        session_id: None,
        connection_id: None,
    }
}

impl ScriptedCarrier {
    fn answer(&self, name: &str, id: Uuid) -> Result<(), CarrierError> {
        self.asked.lock().unwrap().push((name.to_owned(), id));
        self.answers.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }

    pub fn fails_next(&self, errors: impl IntoIterator<Item = CarrierError>) {
        self.answers.lock().unwrap().extend(errors);
    }

    pub fn asked_names(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }
}

#[async_trait]
impl Telephony for ScriptedCarrier {
    fn provider(&self) -> &'static str {
        "telnyx"
    }

    async fn dial(&self, dial: &Dial) -> Result<LegRef, CarrierError> {
        let answer = self.answer("dial", dial.command_id).map(|()| leg("dialled"));
        let answers = self.answers_dials.lock().unwrap().clone();
        if let Some(answers) = answers {
            answers.cancelled().await;
        }
        answer
    }

    async fn read_webhook(
        &self,
        _: ClientId,
        raw: &[u8],
        _: Time,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        Ok(self.webhooks.lock().unwrap().get(raw).cloned())
    }

    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError> {
        let name = format!("{:?}", command.action);
        let name = name.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
        self.answer(&name, command.command_id)
    }

    async fn leg_state(&self, _: ClientId, _: &str) -> Result<LegState, CarrierError> {
        Ok(if *self.leg_gone.lock().unwrap() { LegState::Gone } else { LegState::Alive })
    }

    async fn find_leg(&self, _: &LegTag) -> Result<Option<LegRef>, CarrierError> {
        Ok(self.lost_leg.lock().unwrap().clone())
    }

    async fn find_recording(
        &self,
        _: ClientId,
        recording_id: &str,
    ) -> Result<Option<FoundRecording>, CarrierError> {
        self.answer("find_recording", recording_id.parse().unwrap_or_default())?;
        Ok(self.kept.lock().unwrap().clone())
    }

    async fn delete_recording(&self, _: ClientId, recording_id: &str) -> Result<(), CarrierError> {
        let id = recording_id.parse().unwrap_or_default();
        self.answer("delete_recording", id)
    }
}

/// Stores recordings as it is told.
#[derive(Debug, Default)]
pub struct ScriptedKeeper {
    /// The addresses it was to fetch from.
    pub asked: Mutex<Vec<String>>,
    /// Answers to the next orders; when they run out, everything is stored.
    pub answers: Mutex<VecDeque<KeepError>>,
    pub removed: Mutex<Vec<ObjectKey>>,
}

#[async_trait]
impl RecordingKeeper for ScriptedKeeper {
    async fn keep(&self, order: &RecordingOrder) -> Result<StoredFile, KeepError> {
        self.asked.lock().unwrap().push(order.found.url.reveal().unwrap().clone());
        if let Some(error) = self.answers.lock().unwrap().pop_front() {
            return Err(error);
        }
        let object = ObjectKey::of_recording(order.client, order.call.0, order.effect_id, "mp3").to_string();
        let (sha256, content_type) = ("0".repeat(64).into(), "audio/mpeg".to_owned());
        Ok(StoredFile { object, bytes: 104, sha256, content_type, key: None })
    }

    async fn remove(&self, object: &ObjectKey) -> Result<(), ObjectError> {
        self.removed.lock().unwrap().push(object.clone());
        Ok(())
    }
}

/// A client's system that answers as it is told.
#[derive(Debug, Default)]
pub struct ScriptedWebhooks {
    pub asked: Mutex<Vec<StepQuestion>>,
    /// Answers to the next questions; when they run out, nobody answers.
    pub answers: Mutex<VecDeque<StepAnswer>>,
}

#[async_trait]
impl StepWebhooks for ScriptedWebhooks {
    async fn ask(&self, question: &StepQuestion) -> StepAnswer {
        self.asked.lock().unwrap().push(question.clone());
        let nobody = StepAnswer { outcome: WebhookOutcome::TimedOut, status: None, action: None };
        self.answers.lock().unwrap().pop_front().unwrap_or(nobody)
    }
}

/// Terms of credit, the same for every client.
#[derive(Debug, Default)]
pub struct ScriptedTerms(pub Mutex<BillingTerms>);

impl ClientTerms for ScriptedTerms {
    fn terms(&self, _: ClientId) -> BillingTerms {
        *self.0.lock().unwrap()
    }
}

pub struct World {
    pub clock: Arc<ManualClock>,
    pub store: Arc<MemoryEventStore>,
    pub work: Arc<MemoryWork>,
    pub carrier: Arc<ScriptedCarrier>,
    pub calls: Calls,
    pub ivr: IvrDriver,
    pub webhooks: Arc<ScriptedWebhooks>,
    pub inbox: CarrierInbox,
    pub numbers: Arc<NumberDirectory>,
    pub voice: Voice,
    pub keeper: Arc<ScriptedKeeper>,
    pub uploads: Uploads,
    pub billing: Billing,
    pub terms: Arc<ScriptedTerms>,
    pub runtime: Runtime,
    /// What runs hosted agents; nothing, unless a test says so before the work starts.
    pub hosted: Mutex<Option<HostedDeps>>,
    stop: CancellationToken,
}

impl World {
    pub fn new() -> Self {
        let work = Arc::new(MemoryWork::default());
        Self::beside(Arc::new(MemoryEventStore::new()), work, Arc::default(), "node-1")
    }

    /// Another node on the same log and the same work.
    pub fn beside(
        store: Arc<MemoryEventStore>,
        work: Arc<MemoryWork>,
        clock: Arc<ManualClock>,
        node: &str,
    ) -> Self {
        let stop = CancellationToken::new();
        let first = if node == "node-1" { 1_000 } else { 1_000_000 };
        let ids: Arc<dyn Ids> = Arc::new(SequentialIds::after(first));
        let runtime = Runtime {
            store: store.clone(),
            clock: clock.clone(),
            ids,
            node: node.into(),
            trace: TraceHooks::default(),
            snapshots: None,
        };
        let options = CallsOptions { arbiters: 1, idle_after: Duration::from_secs(60) };
        let channel = IvrNewsChannel::default();
        let calls = Calls::start(runtime.clone(), options, Some(channel.of_calls()), stop.clone());
        let library = Arc::new(MenuLibrary::new(runtime.clone(), Zones::bundled()));
        let observer = Some(channel.of_sessions());
        let sessions = IvrSessions::start(runtime.clone(), options, library, observer, stop.clone());
        let webhooks = Arc::new(ScriptedWebhooks::default());
        let ivr = IvrDriver {
            runtime: runtime.clone(),
            calls: calls.clone(),
            sessions,
            webhooks: webhooks.clone(),
            agents: Arc::default(),
        };
        tokio::spawn(ivr.clone().run(channel, stop.clone()));
        let numbers = NumberDirectory::new(
            vec![
                KnownNumber {
                    id: NumberId(Uuid::from_u128(9)),
                    client: CLIENT,
                    number: OUR_NUMBER.parse().unwrap(),
                    route: Route::Agent { id: None },
                    own_account: false,
                },
                KnownNumber {
                    id: NumberId(Uuid::from_u128(10)),
                    client: CLIENT,
                    number: MENU_NUMBER.parse().unwrap(),
                    route: Route::IvrMenu { id: MENU },
                    own_account: false,
                },
            ],
            Position::START,
        );
        let deps = ConversationDeps {
            runtime: runtime.clone(),
            models: Arc::new(OnlyScripted),
            tools: Arc::new(NoTools),
            vault: Arc::new(NoVault),
            knowledge: None,
            memories: None,
        };
        let (talks, _) = ConversationService::start(
            deps,
            ConversationOptions { live: options, ..ConversationOptions::default() },
            None,
            stop.clone(),
        );
        let voice = Voice { conversations: talks, calls: calls.clone() };
        let numbers = Arc::new(numbers);
        let inbox =
            CarrierInbox::new(runtime.clone(), calls.clone(), numbers.clone(), Arc::default(), CLIENT);
        let terms = Arc::<ScriptedTerms>::default();
        let billing = Billing {
            runtime: runtime.clone(),
            calls: calls.clone(),
            ledger: Ledger::new(runtime.clone(), LedgerOptions::default(), stop.clone()),
            prices: PriceBooks::new(runtime.clone()),
            guards: SpendGuards::new(runtime.clone(), [7; 32]),
            terms: terms.clone(),
            options: BillingOptions::default(),
        };
        let inbox = inbox.covered_by(billing.clone());
        let carrier = Arc::new(ScriptedCarrier::default());
        let keeper = Arc::<ScriptedKeeper>::default();
        let (objects, signer) = (Arc::new(Objects::in_memory()), TokenSigner::new([7; 32]));
        let uploads = Uploads { runtime: runtime.clone(), objects, signer };
        Self {
            clock,
            store,
            work,
            carrier,
            calls,
            ivr,
            webhooks,
            inbox,
            numbers,
            voice,
            keeper,
            uploads,
            billing,
            terms,
            runtime,
            hosted: Mutex::default(),
            stop,
        }
    }

    /// Starts the process manager and its workers.
    pub fn start_work(&self) {
        self.start_work_with(None);
    }

    /// The same, with what it takes to read documents.
    pub fn start_work_with(&self, knowledge: Option<KnowledgeDeps>) {
        let bench = OutboxDeps {
            runtime: self.runtime.clone(),
            calls: self.calls.clone(),
            ivr: self.ivr.clone(),
            voice: self.voice.clone(),
            inbox: self.inbox.clone(),
            telephony: self.carrier.clone(),
            hosted: self.hosted.lock().unwrap().clone(),
            recordings: Some(RecordingDeps {
                keeper: self.keeper.clone(),
                shown: self.store.clone(),
                places: Arc::new(Semaphore::new(2)),
            }),
            knowledge,
            uploads: self.uploads.clone(),
            memories: None,
            billing: Some(self.billing.clone()),
            store: self.work.clone(),
            leases: self.work.clone(),
        };
        tokio::spawn(actors::outbox::run(bench, OutboxOptions::default(), self.stop.clone()));
    }

    /// Waits until the log is followed to its end and nothing due is left undone.
    pub async fn settle(&self) {
        for _ in 0..1_000_000 {
            tokio::task::yield_now().await;
            let head = self.store.head().await.unwrap();
            let now = self.clock.now();
            let idle = self.work.checkpoint().await.unwrap().position == head
                && self.work.due_effects(now, 1).await.unwrap().is_empty()
                && self.work.due_timers(now, 1).await.unwrap().is_empty();
            if idle {
                return;
            }
        }
        panic!("the node does not come to rest: {:?}", self.work);
    }

    /// Moves time in steps small enough that everything due in between happens in between.
    pub async fn pass(&self, time: Duration) {
        let step = Duration::from_millis(500);
        let mut left = time;
        while !left.is_zero() {
            self.settle().await;
            self.clock.advance(step.min(left));
            left = left.saturating_sub(step);
        }
        self.settle().await;
    }

    /// Moves time while something is under way that takes time itself, so that the node does not come to rest.
    pub async fn run_for(&self, time: Duration) {
        let step = Duration::from_millis(500);
        let mut left = time;
        while !left.is_zero() {
            for _ in 0..2_000 {
                tokio::task::yield_now().await;
            }
            self.clock.advance(step.min(left));
            left = left.saturating_sub(step);
        }
    }

    /// The same, until it has come to rest.
    pub async fn pass_under_way(&self, time: Duration) {
        self.run_for(time).await;
        self.settle().await;
    }

    pub async fn take(&self, report: CarrierReport) -> Option<Position> {
        self.take_from(report, None).await
    }

    /// Takes a webhook of a client's own account, or of the node's.
    pub async fn take_from(&self, report: CarrierReport, account: Option<ClientId>) -> Option<Position> {
        self.carrier.webhooks.lock().unwrap().insert(report.raw.clone(), report.clone());
        self.inbox.take(report, account, None, None).await.unwrap().position
    }

    /// The events of a call, oldest first.
    pub async fn events(&self, call: CallId) -> Vec<Recorded> {
        self.store.read_stream(&call.stream(), Version::NONE, Way::Forwards, 10_000).await.unwrap()
    }

    pub async fn types(&self, call: CallId) -> Vec<String> {
        let events = self.events(call).await;
        let name = |event: Recorded| event.event_type.trim_start_matches("call.").to_owned();
        events.into_iter().map(name).filter(|name| name != "carrier_event_received").collect()
    }

    pub async fn last(&self, call: CallId) -> CallEvent {
        let events = self.events(call).await;
        let last = events.last().unwrap();
        CallEvent::decode(&last.event_type, last.schema, &last.payload).unwrap()
    }

    /// Every call there is, the oldest first.
    pub async fn all_calls(&self) -> Vec<CallId> {
        let all = self.store.read_all(Position::START, 10_000).await.unwrap();
        let mut calls: Vec<_> = all
            .iter()
            .filter(|event| event.stream.category() == "call")
            .map(|event| event.stream.id())
            .collect();
        calls.dedup();
        calls.sort();
        calls.dedup();
        calls.into_iter().map(CallId).collect()
    }

    /// The only call there is.
    pub async fn only_call(&self) -> CallId {
        let calls = self.all_calls().await;
        assert_eq!(calls.len(), 1, "one call and no ghost");
        calls[0]
    }

    pub fn context(&self) -> CommandContext {
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

    pub async fn queue(&self) -> CallId {
        let call = CallId(self.runtime.ids.next());
        let queue = Queue {
            id: self.runtime.ids.next(),
            to: Party::new("+12025550123"),
            from: None,
            agent_id: None,
            menu_id: None,
            metadata: Default::default(),
            customer_id: None,
            max_duration_ms: 600_000,
            ring_timeout_ms: 30_000,
            record: false,
            runtime: domain::agent::AgentRuntime::Carrier,
            now: self.clock.now(),
        };
        let command = CallCommand::Queue(Box::new(queue));
        self.calls.execute(call, command, self.context(), None).await.unwrap();
        call
    }

    /// A webhook about leg `name`; each `n` is another event of the carrier's.
    pub fn report(&self, name: &str, n: u32, fact: CarrierFact) -> CarrierReport {
        CarrierReport {
            provider: "telnyx".to_owned(),
            event_id: format!("{name}-{n}"),
            event_type: "call.test".to_owned(),
            occurred_at: self.clock.now(),
            leg: leg(name),
            tag: None,
            ask: None,
            from: Some(Party::new("+12025550123")),
            to: Some(Party::new(OUR_NUMBER)),
            fact,
            raw: format!("{name}-{n}").into_bytes(),
        }
    }

    pub fn initiated(&self, name: &str) -> CarrierReport {
        self.report(name, 1, CarrierFact::Initiated { direction: Direction::Inbound })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
