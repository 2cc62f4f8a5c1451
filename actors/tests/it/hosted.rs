//! Agents and calls at a hosted voice runtime, on virtual time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::conversation::AgentRegistry;
use actors::hosted::HostedDeps;
use actors::{Runtime, Session};
use async_trait::async_trait;
use domain::agent::sync::{AgentSync, Difference, SyncCommand};
use domain::agent::{Agent, AgentCommand, AgentCreated, AgentPatch, AgentRuntime, AgentTerms};
use domain::call::report::{
    CarrierFact, CarrierReport, FoundRecording, HangUp, HangUpCause, HangUpSource, HostedCall, LegRef,
    LegRole, LegTag, RuntimeBill, Transcribed,
};
use domain::call::terms::{EndReason, EndedBy, Status, TranscriptTrack};
use domain::call::{CallCommand, CallEvent, Queue};
use domain::envelope::{Position, Time};
use domain::ids::{AgentId, AgentSyncId, CallId, ClientId};
use domain::model::{ModelRef, Provider};
use domain::origin::Origin;
use domain::phone::Party;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::hosted::{AgentCatalogue, HostedAgent, HostedAgents, RemoteAgent};
use domain::ports::telephony::{
    CarrierError, Dial, LegAction, LegCommand, LegState, MessagePage, RefusedBecause, Telephony,
};
use domain::ports::vault::{Sealed, Vault, VaultError};
use domain::provider::{ProviderAccount, ProviderCommand, ProviderKind, account_stream};
use domain::wire::DomainEvent as _;
use uuid::Uuid;

use crate::world::{CLIENT, World, leg};

const AGENT: AgentId = AgentId(Uuid::from_u128(77));

/// A runtime with accounts, agents and one call, which does as it is told.
#[derive(Debug)]
struct ScriptedRuntime {
    account: Mutex<Option<u64>>,
    /// Agents there: account, id, name and prompt.
    agents: Mutex<Vec<(u64, String, AgentId, String)>>,
    /// What was asked for, in order.
    asked: Mutex<Vec<String>>,
    /// Answers to the next requests; when they run out, everything succeeds. What is asked is carried out when the
    /// answer is only lost.
    answers: Mutex<VecDeque<CarrierError>>,
    known: Mutex<Option<HostedCall>>,
    joined: Mutex<bool>,
    /// What the next looks at the call meet; when they run out, it is shown. `None`: it is not known.
    looks: Mutex<VecDeque<Option<CarrierError>>>,
    /// What was said on the call, as it is read; `None` while nothing is known of it.
    said: Mutex<Option<Vec<(TranscriptTrack, String)>>>,
    /// How long it takes to write an agent.
    slow: Mutex<Duration>,
    /// Whether creations fail without being carried out, as if their answer was lost.
    creates_nothing: Mutex<bool>,
    clock: Arc<dyn Clock>,
}

impl ScriptedRuntime {
    fn answer(&self, name: &str) -> Result<bool, CarrierError> {
        self.asked.lock().unwrap().push(name.to_owned());
        match self.answers.lock().unwrap().pop_front() {
            None => Ok(true),
            Some(CarrierError::Unknown { .. }) => Ok(false),
            Some(error) => Err(error),
        }
    }

    fn lost() -> CarrierError {
        CarrierError::Unknown { reason: "lost".to_owned() }
    }

    fn fails_next(&self, errors: impl IntoIterator<Item = CarrierError>) {
        self.answers.lock().unwrap().extend(errors);
    }

    fn count(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == name).count()
    }

    fn there(&self) -> Vec<(u64, String)> {
        let agents = self.agents.lock().unwrap();
        agents.iter().map(|(account, _, _, prompt)| (*account, prompt.clone())).collect()
    }

    async fn write(&self) {
        let slow = *self.slow.lock().unwrap();
        if !slow.is_zero() {
            self.clock.sleep(slow).await;
        }
    }

    fn shows(&self, known: HostedCall) {
        *self.known.lock().unwrap() = Some(known);
    }

    fn report(&self, known: HostedCall) -> CarrierReport {
        CarrierReport {
            provider: "ultravox".to_owned(),
            event_id: format!("{known:?}"),
            event_type: "call.read".to_owned(),
            occurred_at: self.clock.now(),
            leg: leg("hosted"),
            tag: None,
            ask: None,
            from: None,
            to: None,
            fact: CarrierFact::Hosted(Box::new(known)),
            raw: b"{}".to_vec(),
        }
    }
}

#[async_trait]
impl Telephony for ScriptedRuntime {
    fn provider(&self) -> &'static str {
        "ultravox"
    }

    fn drops_repeats(&self) -> bool {
        false
    }

    async fn may_dial(&self, _: &Dial) -> Result<(), CarrierError> {
        self.answer("may_dial").map(|_| ())
    }

    async fn dial(&self, _: &Dial) -> Result<LegRef, CarrierError> {
        let answered = self.answer("dial")?;
        if answered { Ok(leg("hosted")) } else { Err(Self::lost()) }
    }

    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError> {
        let name = if matches!(command.action, LegAction::HangUp) { "hang_up" } else { "speak" };
        let answered = self.answer(name)?;
        if !*self.joined.lock().unwrap() {
            return Err(CarrierError::NotReady { code: "not_joined".to_owned() });
        }
        if answered { Ok(()) } else { Err(Self::lost()) }
    }

    async fn leg_state(&self, _: ClientId, _: &str) -> Result<LegState, CarrierError> {
        Ok(LegState::Alive)
    }

    async fn read_call(&self, _: ClientId, _: &str) -> Result<Option<CarrierReport>, CarrierError> {
        self.asked.lock().unwrap().push("read_call".to_owned());
        match self.looks.lock().unwrap().pop_front() {
            Some(Some(error)) => return Err(error),
            Some(None) => return Ok(None),
            None => {}
        }
        Ok(self.known.lock().unwrap().clone().map(|known| self.report(known)))
    }

    async fn read_messages(
        &self,
        _: ClientId,
        _: &str,
        began: Time,
        _: Option<String>,
    ) -> Result<Option<MessagePage>, CarrierError> {
        self.asked.lock().unwrap().push("read_messages".to_owned());
        let said = self.said.lock().unwrap().clone();
        let report = |(n, (track, text)): (usize, (TranscriptTrack, String))| CarrierReport {
            event_id: format!("message {n}"),
            event_type: "message".to_owned(),
            occurred_at: began + Duration::from_secs(n as u64),
            fact: CarrierFact::Transcribed(Transcribed {
                text: text.into(),
                confidence_permille: None,
                is_final: true,
                track,
            }),
            ..self.report(HostedCall::default())
        };
        let page = |said: Vec<_>| MessagePage {
            reports: said.into_iter().enumerate().map(report).collect(),
            next: None,
        };
        Ok(said.map(page))
    }

    async fn find_leg(&self, _: &LegTag) -> Result<Option<LegRef>, CarrierError> {
        self.asked.lock().unwrap().push("find_leg".to_owned());
        Ok(Some(leg("hosted")))
    }

    async fn read_webhook(
        &self,
        _: ClientId,
        _: &[u8],
        _: Time,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        Ok(None)
    }

    async fn find_recording(&self, _: ClientId, _: &str) -> Result<Option<FoundRecording>, CarrierError> {
        Ok(None)
    }

    async fn delete_recording(&self, _: ClientId, _: &str) -> Result<(), CarrierError> {
        Ok(())
    }
}

#[async_trait]
impl HostedAgents for ScriptedRuntime {
    async fn account(&self, _: ClientId) -> Result<Option<u64>, CarrierError> {
        Ok(*self.account.lock().unwrap())
    }

    async fn find(
        &self,
        _: ClientId,
        account: u64,
        agent: &HostedAgent,
    ) -> Result<Option<RemoteAgent>, CarrierError> {
        self.answer("find")?;
        let agents = self.agents.lock().unwrap();
        let found = agents.iter().find(|(of, _, id, _)| (*of, *id) == (account, agent.id));
        Ok(found.map(|found| remote(found, agent)))
    }

    async fn read(
        &self,
        _: ClientId,
        account: u64,
        remote_id: &str,
        agent: &HostedAgent,
    ) -> Result<Option<RemoteAgent>, CarrierError> {
        self.answer("read")?;
        let agents = self.agents.lock().unwrap();
        let found = agents.iter().find(|(of, id, ..)| (*of, id.as_str()) == (account, remote_id));
        Ok(found.map(|found| remote(found, agent)))
    }

    async fn create(
        &self,
        _: ClientId,
        account: u64,
        agent: &HostedAgent,
    ) -> Result<RemoteAgent, CarrierError> {
        self.write().await;
        let answered = self.answer("create")?;
        if *self.creates_nothing.lock().unwrap() {
            return Err(Self::lost());
        }
        let mut agents = self.agents.lock().unwrap();
        let id = format!("remote-{account}-{}", agents.len());
        agents.push((account, id.clone(), agent.id, agent.system_prompt.clone()));
        let created = RemoteAgent { remote_id: id, revision: None, differences: vec![] };
        if answered { Ok(created) } else { Err(Self::lost()) }
    }

    async fn update(
        &self,
        _: ClientId,
        _: u64,
        remote_id: &str,
        agent: &HostedAgent,
    ) -> Result<RemoteAgent, CarrierError> {
        self.write().await;
        self.answer("update")?;
        for there in self.agents.lock().unwrap().iter_mut().filter(|(_, id, ..)| id == remote_id) {
            there.3.clone_from(&agent.system_prompt);
        }
        Ok(RemoteAgent { remote_id: remote_id.to_owned(), revision: None, differences: vec![] })
    }

    async fn delete(&self, _: ClientId, account: u64, remote_id: &str) -> Result<(), CarrierError> {
        self.answer("delete")?;
        self.agents.lock().unwrap().retain(|(of, id, ..)| (*of, id.as_str()) != (account, remote_id));
        Ok(())
    }
}

fn remote((_, id, _, prompt): &(u64, String, AgentId, String), agent: &HostedAgent) -> RemoteAgent {
    let edited = (*prompt != agent.system_prompt).then(|| Difference {
        field: "callTemplate.systemPrompt".to_owned(),
        ours: agent.system_prompt.clone(),
        theirs: Some(prompt.clone()),
    });
    RemoteAgent { remote_id: id.clone(), revision: None, differences: edited.into_iter().collect() }
}

#[async_trait]
impl AgentCatalogue for ScriptedRuntime {
    async fn agents_of(&self, _: ClientId, _: Position) -> Result<Option<Vec<AgentId>>, StoreUnavailable> {
        Ok(Some(vec![AGENT]))
    }
}

/// Nothing is sealed in these tests.
#[derive(Debug)]
struct NoSecrets;

#[async_trait]
impl Vault for NoSecrets {
    async fn seal(&self, _: ClientId, _: &str, _: &[u8]) -> Result<Sealed, VaultError> {
        Err(VaultError::Destroyed)
    }

    async fn open(&self, _: ClientId, _: &str, _: &Sealed) -> Result<Vec<u8>, VaultError> {
        Err(VaultError::Destroyed)
    }

    async fn secret(&self, _: &str) -> Result<[u8; 32], VaultError> {
        Err(VaultError::Destroyed)
    }
}

fn started() -> (World, Arc<ScriptedRuntime>) {
    let world = World::new();
    let runtime = Arc::new(ScriptedRuntime {
        account: Mutex::new(Some(1)),
        agents: Mutex::default(),
        asked: Mutex::default(),
        answers: Mutex::default(),
        known: Mutex::new(Some(HostedCall { outbound: true, ..HostedCall::default() })),
        joined: Mutex::new(true),
        looks: Mutex::default(),
        said: Mutex::default(),
        slow: Mutex::default(),
        creates_nothing: Mutex::default(),
        clock: world.clock.clone(),
    });
    *world.hosted.lock().unwrap() = Some(HostedDeps {
        runtime: world.runtime.clone(),
        telephony: runtime.clone(),
        agents: runtime.clone(),
        catalogue: runtime.clone(),
        registry: AgentRegistry::new(world.runtime.clone()),
        vault: Arc::new(NoSecrets),
    });
    world.start_work();
    (world, runtime)
}

fn terms(prompt: &str, runtime: AgentRuntime) -> AgentTerms {
    AgentTerms {
        name: "Reception".to_owned(),
        system_prompt: prompt.to_owned(),
        model: ModelRef::new(Provider::Scripted, "scripted-1"),
        temperature_permille: None,
        max_tokens: None,
        tools: vec![],
        greeting: None,
        apology: None,
        call_content: None,
        voice_id: None,
        fallback: vec![],
        knowledge_bases: vec![],
        retrieval: None,
        memory: None,
        runtime,
    }
}

async fn of_agent(world: &World, command: AgentCommand) {
    let mut agent = Session::<Agent>::new(world.runtime.clone(), AGENT.stream());
    agent.execute(&command, &world.context(), None).await.unwrap();
}

async fn deploy(world: &World) {
    let (origin, now) = (Origin::default(), world.clock.now());
    of_agent(world, AgentCommand::Deploy { version: None, origin, now }).await;
}

async fn change(world: &World, patch: AgentPatch) {
    let (patch, origin, now) = (Box::new(patch), Origin::default(), world.clock.now());
    of_agent(world, AgentCommand::Update { patch, origin, now }).await;
    deploy(world).await;
}

async fn deployed(world: &World) {
    let (terms, origin, at) = (terms("First.", AgentRuntime::Ultravox), Origin::default(), world.clock.now());
    of_agent(world, AgentCommand::Create(Box::new(AgentCreated { terms, origin, at }))).await;
    deploy(world).await;
}

async fn copy(runtime: &Runtime) -> AgentSync {
    let mut copy = Session::<AgentSync>::new(runtime.clone(), AgentSyncId::of(AGENT).stream());
    copy.refresh().await.unwrap();
    copy.state().clone()
}

async fn ask_for_sync(world: &World, overwrite: bool) {
    let mut copy = Session::<AgentSync>::new(world.runtime.clone(), AgentSyncId::of(AGENT).stream());
    let (origin, now) = (Origin::default(), world.clock.now());
    let command = SyncCommand::Request { overwrite, origin, now };
    copy.execute(&command, &world.context(), None).await.unwrap();
}

async fn call(world: &World) -> CallId {
    let call = CallId(world.runtime.ids.next());
    let queue = Queue {
        id: world.runtime.ids.next(),
        to: Party::new("+12025550123"),
        from: None,
        agent_id: Some(AGENT),
        menu_id: None,
        metadata: Default::default(),
        customer_id: None,
        max_duration_ms: 600_000,
        ring_timeout_ms: 30_000,
        record: false,
        runtime: AgentRuntime::Ultravox,
        now: world.clock.now(),
    };
    let command = CallCommand::Queue(Box::new(queue));
    world.calls.execute(call, command, world.context(), None).await.unwrap();
    call
}

fn at_once(world: &World) -> HostedCall {
    HostedCall { outbound: true, joined_at: Some(world.clock.now()), ..HostedCall::default() }
}

fn over(world: &World, joined: &HostedCall) -> HostedCall {
    let (cause, source) = (HangUpCause::Normal, HangUpSource::Callee);
    let hang_up = HangUp { cause, source, provider_code: "hangup".to_owned(), sip_code: None };
    HostedCall { ended: Some((world.clock.now(), hang_up)), ..joined.clone() }
}

fn billed(over: &HostedCall) -> HostedCall {
    let (duration_ms, status) = (48_000, "BILLING_STATUS_BILLED".to_owned());
    HostedCall { billed: Some(RuntimeBill { duration_ms, sip_ms: None, status }), ..over.clone() }
}

async fn hang_up(world: &World, call: CallId) {
    let (id, now) = (world.runtime.ids.next(), world.clock.now());
    let command = CallCommand::HangUp { id, reason: EndReason::ApiHangup, by: EndedBy::Operator, now };
    world.calls.execute(call, command, world.context(), None).await.unwrap();
}

async fn say(world: &World, call: CallId) {
    let (id, now) = (world.runtime.ids.next(), world.clock.now());
    let command = CallCommand::Say { id, text: "One moment.".to_owned(), now };
    world.calls.execute(call, command, world.context(), None).await.unwrap();
}

#[actix::test]
async fn an_agent_is_created_once_though_the_answer_was_lost_and_overwritten_after() {
    let (world, runtime) = started();
    // the search is only asked; the answer to the creation is lost
    runtime.fails_next([ScriptedRuntime::lost(), ScriptedRuntime::lost()]);
    deployed(&world).await;
    world.pass(Duration::from_secs(60)).await;
    assert_eq!((runtime.count("create"), runtime.there()), (1, vec![(1, "First.".to_owned())]));
    assert_eq!(copy(&world.runtime).await.current().map(|current| current.version.0), Some(1));
    change(&world, AgentPatch { system_prompt: Some("Second.".to_owned()), ..AgentPatch::default() }).await;
    world.settle().await;
    assert_eq!((runtime.count("create"), runtime.there()), (1, vec![(1, "Second.".to_owned())]));
}

#[actix::test]
async fn syncs_of_an_agent_never_overlap() {
    let (world, runtime) = started();
    *runtime.slow.lock().unwrap() = Duration::from_secs(2);
    deployed(&world).await;
    for prompt in ["a", "b", "c"] {
        change(&world, AgentPatch { system_prompt: Some(prompt.to_owned()), ..AgentPatch::default() }).await;
        ask_for_sync(&world, true).await;
    }
    world.pass_under_way(Duration::from_secs(30)).await;
    assert_eq!((runtime.count("create"), runtime.there()), (1, vec![(1, "c".to_owned())]));
}

#[actix::test]
async fn what_was_edited_there_is_shown_and_overwritten_only_when_asked() {
    let (world, runtime) = started();
    deployed(&world).await;
    world.settle().await;
    runtime.agents.lock().unwrap()[0].3 = "Edited there.".to_owned();
    // compared now and then
    world.pass(Duration::from_secs(16 * 60)).await;
    let drifted = copy(&world.runtime).await;
    assert_eq!(drifted.differences().first().map(|first| &*first.field), Some("callTemplate.systemPrompt"));
    ask_for_sync(&world, false).await;
    world.settle().await;
    assert_eq!(runtime.there(), [(1, "Edited there.".to_owned())], "compared alone");
    ask_for_sync(&world, true).await;
    world.settle().await;
    assert_eq!(runtime.there(), [(1, "First.".to_owned())]);
    assert!(copy(&world.runtime).await.differences().is_empty());
}

#[actix::test]
async fn an_agent_that_is_hosted_no_more_is_deleted_there() {
    let (world, runtime) = started();
    deployed(&world).await;
    world.settle().await;
    change(&world, AgentPatch { runtime: Some(AgentRuntime::Carrier), ..AgentPatch::default() }).await;
    world.settle().await;
    assert_eq!(runtime.there(), []);
    // rolled back it is there again
    let version = Some(domain::envelope::Version(1));
    let (origin, now) = (Origin::default(), world.clock.now());
    of_agent(&world, AgentCommand::Deploy { version, origin, now }).await;
    world.settle().await;
    assert_eq!(runtime.there(), [(1, "First.".to_owned())]);
}

#[actix::test]
async fn another_account_gets_its_own_copy_and_the_earlier_one_is_deleted() {
    let (world, runtime) = started();
    deployed(&world).await;
    world.settle().await;
    *runtime.account.lock().unwrap() = Some(4);
    ask_for_sync(&world, true).await;
    world.settle().await;
    assert_eq!(runtime.there(), [(4, "First.".to_owned())]);
    let now = copy(&world.runtime).await;
    assert_eq!((now.current().map(|current| current.copy.account), now.left().len()), (Some(4), 0));
}

#[actix::test]
async fn what_the_pace_holds_back_is_no_attempt_and_no_second_agent() {
    let (world, runtime) = started();
    let held = || CarrierError::Held { reason: "pace".to_owned(), pause: Duration::from_secs(1) };
    runtime.fails_next((0..400).map(|_| held()));
    deployed(&world).await;
    world.pass(Duration::from_secs(420)).await;
    assert_eq!((runtime.there().len(), copy(&world.runtime).await.failure()), (1, None));
    // nor of a dial
    runtime.fails_next((0..200).map(|_| held()));
    let call = call(&world).await;
    world.pass(Duration::from_secs(220)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::Dialing);
    assert_eq!(
        (runtime.count("dial"), world.types(call).await.len()),
        (1, 3),
        "{:?}",
        world.types(call).await
    );
}

#[actix::test]
async fn a_dial_that_is_held_back_for_too_long_fails() {
    let (world, runtime) = started();
    let held = || CarrierError::Held { reason: "pace".to_owned(), pause: Duration::from_secs(30) };
    runtime.fails_next((0..100).map(|_| held()));
    let call = call(&world).await;
    world.pass(Duration::from_secs(11 * 60)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::Failed);
    assert_eq!(runtime.count("dial"), 0);
}

#[actix::test]
async fn a_lost_dial_is_found_by_our_metadata_and_never_sent_again() {
    let (world, runtime) = started();
    // whether it may be sent is only asked; the answer to the dial is lost
    runtime.fails_next([ScriptedRuntime::lost(), ScriptedRuntime::lost()]);
    let call = call(&world).await;
    world.settle().await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::DialUnknown);
    world.pass(Duration::from_secs(3)).await;
    assert_eq!((runtime.count("dial"), runtime.count("find_leg")), (1, 1));
    let call = world.calls.inspect(call).await.unwrap();
    assert_eq!((call.provider(), call.control_id()), ("ultravox", Some("v3:hosted")));
    assert_eq!(
        world.carrier.asked_names(),
        Vec::<String>::new(),
        "the phone carrier has nothing to do with it"
    );
}

#[actix::test]
async fn a_hang_up_while_it_rings_is_carried_out_once_somebody_is_there() {
    let (world, runtime) = started();
    *runtime.joined.lock().unwrap() = false;
    let call = call(&world).await;
    world.settle().await;
    hang_up(&world, call).await;
    world.pass(Duration::from_secs(20)).await;
    assert!(runtime.count("hang_up") >= 15, "{}", runtime.count("hang_up"));
    assert!(!world.calls.inspect(call).await.unwrap().is_over(), "refusals do not end it");
    *runtime.joined.lock().unwrap() = true;
    world.pass(Duration::from_secs(2)).await;
    assert!(world.types(call).await.contains(&"command_accepted".to_owned()));
}

#[actix::test]
async fn a_hang_up_before_the_call_has_an_id_is_carried_out_once_it_has_one() {
    let (world, runtime) = started();
    runtime.fails_next([ScriptedRuntime::lost(), ScriptedRuntime::lost()]);
    let call = call(&world).await;
    world.settle().await;
    hang_up(&world, call).await;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!((runtime.count("find_leg"), runtime.count("hang_up")), (1, 1));
}

#[actix::test]
async fn speech_whose_answer_was_lost_is_not_said_again() {
    let (world, runtime) = started();
    let call = call(&world).await;
    world.settle().await;
    let joined = at_once(&world);
    runtime.shows(joined);
    world.pass(Duration::from_secs(16)).await;
    runtime.fails_next([ScriptedRuntime::lost()]);
    say(&world, call).await;
    world.pass(Duration::from_secs(30)).await;
    assert_eq!(runtime.count("speak"), 1);
    assert!(world.types(call).await.contains(&"command_failed".to_owned()));
    // what certainly was not said is said later
    let busy = CarrierError::Unavailable { reason: "429".into(), retry_after: Some(Duration::from_secs(2)) };
    runtime.fails_next([busy]);
    say(&world, call).await;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(runtime.count("speak"), 3);
    assert!(world.types(call).await.contains(&"command_accepted".to_owned()));
}

#[actix::test]
async fn what_no_webhook_told_is_asked_for_and_a_bill_long_after_the_end_is_read() {
    let (world, runtime) = started();
    let call = call(&world).await;
    world.settle().await;
    let joined = at_once(&world);
    runtime.shows(joined.clone());
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::InProgress, "within 20 s");
    let over = over(&world, &joined);
    runtime.shows(over.clone());
    world.pass(Duration::from_secs(130)).await;
    let ended = world.calls.inspect(call).await.unwrap();
    assert_eq!((ended.status(), ended.runtime_bill()), (Status::Ended, None));
    world.pass(Duration::from_secs(9 * 3_600)).await;
    runtime.shows(billed(&over));
    world.pass(Duration::from_secs(1_900)).await;
    let bill = world.calls.inspect(call).await.unwrap().runtime_bill().map(|bill| bill.duration_ms);
    assert_eq!(bill, Some(48_000));
    let looks = runtime.count("read_call");
    world.pass(Duration::from_secs(3_600)).await;
    assert_eq!(runtime.count("read_call"), looks, "nothing more is to come");
}

#[actix::test]
async fn a_webhook_with_our_metadata_accepts_a_dial_whose_answer_is_not_there_yet() {
    let (world, runtime) = started();
    runtime.fails_next([ScriptedRuntime::lost(), ScriptedRuntime::lost()]);
    let call = call(&world).await;
    world.settle().await;
    let mut report = runtime.report(at_once(&world));
    report.tag = Some(LegTag { client: CLIENT, call, role: LegRole::Main });
    world.take(report).await;
    world.pass(Duration::from_secs(3)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::InProgress);
    assert_eq!((world.only_call().await, runtime.count("find_leg")), (call, 0));
}

fn refused() -> CarrierError {
    let (because, code) = (RefusedBecause::Settings, "http_401".to_owned());
    CarrierError::Refused { because, status: 401, code, title: String::new() }
}

async fn configure_account(world: &World, key: &str) {
    let stream = account_stream(CLIENT, ProviderKind::Runtime);
    let mut account = Session::<ProviderAccount>::new(world.runtime.clone(), stream);
    let key = Sealed { key: Uuid::nil(), bytes: key.as_bytes().to_vec().into() };
    let command = ProviderCommand::Configure {
        kind: ProviderKind::Runtime,
        provider: Some("ultravox".to_owned()),
        api_key: Some((key, "last".to_owned())),
        settings: None,
        origin: Origin::default(),
        now: world.clock.now(),
    };
    account.execute(&command, &world.context(), None).await.unwrap();
}

#[actix::test]
async fn an_account_that_changes_again_while_an_agent_is_written_is_synced_too() {
    let (world, runtime) = started();
    deployed(&world).await;
    world.settle().await;
    *runtime.slow.lock().unwrap() = Duration::from_secs(4);
    for account in [2, 3] {
        *runtime.account.lock().unwrap() = Some(account);
        configure_account(&world, &format!("key of {account}")).await;
        world.run_for(Duration::from_secs(1)).await;
    }
    world.pass_under_way(Duration::from_secs(30)).await;
    assert_eq!(runtime.there(), [(3, "First.".to_owned())]);
    let now = copy(&world.runtime).await;
    assert_eq!((now.current().map(|current| current.copy.account), now.wanted()), (Some(3), None));
}

#[actix::test]
async fn a_first_copy_that_is_being_made_follows_its_account() {
    let (world, runtime) = started();
    *runtime.slow.lock().unwrap() = Duration::from_secs(4);
    deployed(&world).await;
    world.run_for(Duration::from_secs(1)).await;
    *runtime.account.lock().unwrap() = Some(2);
    configure_account(&world, "another key").await;
    world.pass_under_way(Duration::from_secs(30)).await;
    assert_eq!(runtime.there(), [(2, "First.".to_owned())]);
}

#[actix::test]
async fn a_mended_key_is_tried_though_the_refusal_of_the_earlier_one_comes_later() {
    let (world, runtime) = started();
    deployed(&world).await;
    world.settle().await;
    *runtime.account.lock().unwrap() = Some(2);
    configure_account(&world, "mistyped").await;
    // the mended key is there before the refusal is recorded
    *runtime.slow.lock().unwrap() = Duration::from_secs(4);
    world.run_for(Duration::from_secs(1)).await;
    runtime.fails_next([refused()]);
    *runtime.account.lock().unwrap() = Some(3);
    configure_account(&world, "mended").await;
    world.pass_under_way(Duration::from_secs(30)).await;
    let now = copy(&world.runtime).await;
    assert_eq!((now.failure(), now.current().map(|current| current.copy.account)), (None, Some(3)));
}

#[actix::test]
async fn a_dial_that_is_held_back_when_it_is_sent_fails_after_ten_minutes_too() {
    let (world, runtime) = started();
    let held = || CarrierError::Held { reason: "breaker".to_owned(), pause: Duration::from_secs(10) };
    // it may be sent each time, and then is held back after all
    runtime.fails_next((0..1_000).flat_map(|_| [ScriptedRuntime::lost(), held()]));
    let call = call(&world).await;
    world.pass(Duration::from_secs(9 * 60)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::Queued);
    world.pass(Duration::from_secs(2 * 60)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::Failed);
    let dials = runtime.count("dial");
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(runtime.count("dial"), dials, "nobody is called late");
}

#[actix::test]
async fn a_runtime_that_knows_a_call_no_more_is_asked_twice_and_the_bill_is_still_read() {
    let (world, runtime) = started();
    let call = call(&world).await;
    world.settle().await;
    let joined = at_once(&world);
    runtime.shows(joined.clone());
    world.pass(Duration::from_secs(16)).await;
    let status = async || world.calls.inspect(call).await.unwrap().status();
    // now and then a replica lags
    for _ in 0..3 {
        runtime.looks.lock().unwrap().push_back(None);
        world.pass(Duration::from_secs(300)).await;
        assert_eq!((status().await, runtime.looks.lock().unwrap().len()), (Status::InProgress, 0));
    }
    runtime.looks.lock().unwrap().extend([None, None]);
    world.pass(Duration::from_secs(300)).await;
    assert_eq!(status().await, Status::Ended);
    // neither is the bill given up because of it
    runtime.looks.lock().unwrap().push_back(None);
    runtime.shows(billed(&over(&world, &joined)));
    world.pass(Duration::from_secs(2 * 3_600)).await;
    let bill = world.calls.inspect(call).await.unwrap().runtime_bill().map(|bill| bill.duration_ms);
    assert_eq!(bill, Some(48_000));
}

#[actix::test]
async fn a_call_that_no_key_can_read_is_over_once_it_must_be() {
    let (world, runtime) = started();
    let call = call(&world).await;
    world.settle().await;
    runtime.shows(at_once(&world));
    world.pass(Duration::from_secs(16)).await;
    runtime.looks.lock().unwrap().extend((0..10_000).map(|_| Some(refused())));
    world.pass(Duration::from_secs(20 * 60)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::InProgress);
    // ten minutes at the longest, and fifteen for what is not told at once
    world.pass(Duration::from_secs(10 * 60)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::Ended);
}

#[actix::test]
async fn a_creation_that_never_answers_is_tried_less_and_less_and_then_given_up() {
    let (world, runtime) = started();
    *runtime.creates_nothing.lock().unwrap() = true;
    deployed(&world).await;
    world.pass(Duration::from_secs(3_600)).await;
    assert!(runtime.count("create") <= 25, "{}", runtime.count("create"));
    assert_eq!(copy(&world.runtime).await.failure(), None);
    world.pass(Duration::from_secs(25 * 3_600)).await;
    let failure = copy(&world.runtime).await.failure().map(|failure| failure.code.clone());
    assert_eq!(failure.as_deref(), Some("unreachable"));
}

#[actix::test]
async fn speech_that_may_be_sent_again_at_once_is_not_sent_without_a_pause() {
    let (world, runtime) = started();
    let call = call(&world).await;
    world.settle().await;
    runtime.shows(at_once(&world));
    world.pass(Duration::from_secs(16)).await;
    let busy = || CarrierError::Unavailable { reason: "429".into(), retry_after: Some(Duration::ZERO) };
    runtime.fails_next((0..100).map(|_| busy()));
    say(&world, call).await;
    world.pass(Duration::from_secs(10)).await;
    assert!((8..=11).contains(&runtime.count("speak")), "{}", runtime.count("speak"));
}

#[actix::test]
async fn what_was_said_is_read_when_it_is_complete_and_what_we_had_said_stands_there_once() {
    let (world, runtime) = started();
    let call = call(&world).await;
    world.settle().await;
    let joined = at_once(&world);
    runtime.shows(joined.clone());
    world.pass(Duration::from_secs(16)).await;
    say(&world, call).await;
    world.settle().await;
    let lines = async || {
        let events = world.events(call).await.into_iter();
        let read = |event: domain::envelope::Recorded| {
            CallEvent::decode(&event.event_type, event.schema, &event.payload).unwrap()
        };
        let text = |fact| match fact {
            CallEvent::LineTranscribed(line) => line.text.reveal().cloned(),
            _ => None,
        };
        events.map(read).filter_map(text).collect::<Vec<_>>()
    };
    runtime.shows(over(&world, &joined));
    // the end is seen by a look, before there is anything to read
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::Ended);
    let agent = |text: &str| (TranscriptTrack::Outbound, text.to_owned());
    let caller = |text: &str| (TranscriptTrack::Inbound, text.to_owned());
    world.pass(Duration::from_secs(60)).await;
    let first = vec![agent("One moment."), caller("One moment."), agent("One moment.")];
    *runtime.said.lock().unwrap() = Some(first.clone());
    world.pass(Duration::from_secs(120)).await;
    assert_eq!(lines().await, ["One moment.", "One moment."], "all but what we had said");
    // more is there by the time that it is complete
    *runtime.said.lock().unwrap() = Some(first.into_iter().chain([caller("Bye.")]).collect());
    let known = HostedCall { messages_final: true, ..over(&world, &joined) };
    world.take(CarrierReport { event_type: "call.ended".to_owned(), ..runtime.report(known) }).await;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(lines().await, ["One moment.", "One moment.", "Bye."]);
}
