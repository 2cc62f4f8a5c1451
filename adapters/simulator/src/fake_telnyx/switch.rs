//! The switch: holds the legs and decides which commands are accepted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use domain::envelope::Time;
use domain::ports::clock::Clock;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::answers::Answer;
use super::chance::{Names, SeededRandom};
use super::config::FakeConfig;
use super::courier::DeliverySender;
use super::detail_records::DetailRecords;
use super::ledger::CommandRecord;
use super::leg::{CommandIds, Input, Leg, LegState, Phase};
use super::leg_task::{LegTask, Side};
use super::orders::{Action, Order, Placing, check_state, missing};
use super::outbox::Fate;
use super::recordings::Recordings;
use super::script::CalleeScript;

/// Commands that a leg may have waiting; Telnyx answers 429 above its own limit.
const INBOX: usize = 64;
/// How long an ended call can still be queried.
const MEMORY: TimeDelta = TimeDelta::minutes(10);
/// The most ended calls kept for queries.
const MEMORY_SIZE: usize = 50_000;
/// Random stream for decisions that belong to no leg.
const DIAL_DICE: u64 = u64::MAX;
/// The most trace contexts kept.
const TRACES: usize = 1_000;

pub(super) struct Switch {
    pub config: FakeConfig,
    pub clock: Arc<dyn Clock>,
    pub names: Names,
    pub courier: DeliverySender,
    /// Base URL of the fake's own API, set once it is bound.
    pub base: std::sync::OnceLock<String>,
    legs: Mutex<Legs>,
    dials: Mutex<Dials>,
    callees: Mutex<Callees>,
    recordings: Mutex<Recordings>,
    detail_records: Mutex<DetailRecords>,
    /// `traceparent` headers of the newest requests.
    traces: Mutex<VecDeque<String>>,
    next_leg: AtomicU64,
    busy: watch::Sender<usize>,
    closing: Closing,
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch").field("config", &self.config).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Legs {
    by_control_id: HashMap<String, Arc<Leg>>,
    alive: BTreeMap<u64, Arc<Leg>>,
    over: VecDeque<(Time, String)>,
}

#[derive(Debug)]
struct Dials {
    seen: CommandIds,
    asked: HashMap<String, Option<String>>,
    random: SeededRandom,
}

#[derive(Debug, Default)]
struct Callees {
    usual: CalleeScript,
    by_number: HashMap<String, CalleeScript>,
}

/// An answer, and how it is delivered.
#[derive(Debug)]
pub(super) struct Reply {
    pub answer: Answer,
    pub manner: Manner,
    /// Dropped once the answer was sent, which lets the command's effects begin.
    pub gate: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Clone)]
pub(super) enum Manner {
    Plain,
    /// The connection is closed instead.
    Drop,
    /// Sent only after a webhook of the leg was delivered with a higher number than this.
    AfterWebhook(Arc<Leg>, u64),
    /// Sent this much later; the command's effects begin at once.
    Late(Duration),
}

/// Notified when the fake shuts down.
#[derive(Debug, Clone)]
pub(super) struct Closing(watch::Receiver<bool>);

impl Closing {
    pub fn new(receiver: watch::Receiver<bool>) -> Self {
        Self(receiver)
    }

    /// Waits until the fake is shutting down.
    pub async fn announced(&mut self) {
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

/// Counts an activity in progress for as long as the guard lives.
#[derive(Debug)]
pub(super) struct Busy(Arc<Switch>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.send_modify(|count| *count -= 1);
    }
}

impl Switch {
    pub fn new(config: FakeConfig, clock: Arc<dyn Clock>, courier: DeliverySender, closing: Closing) -> Self {
        let run = u64::try_from(clock.now().timestamp_micros()).unwrap_or_default();
        Self {
            names: Names::new(config.seed, run),
            dials: Mutex::new(Dials {
                seen: CommandIds::default(),
                asked: HashMap::new(),
                random: SeededRandom::new(config.seed, DIAL_DICE),
            }),
            config,
            clock,
            courier,
            base: std::sync::OnceLock::new(),
            legs: Mutex::default(),
            callees: Mutex::default(),
            recordings: Mutex::default(),
            detail_records: Mutex::default(),
            traces: Mutex::default(),
            next_leg: AtomicU64::new(0),
            busy: watch::Sender::new(0),
            closing,
        }
    }

    pub fn note_trace(&self, traceparent: &str) {
        let mut traces = lock(&self.traces);
        if traces.len() == TRACES {
            traces.pop_front();
        }
        traces.push_back(traceparent.to_owned());
    }

    pub fn traces(&self) -> Vec<String> {
        lock(&self.traces).iter().cloned().collect()
    }

    pub fn closing(&self) -> Closing {
        self.closing.clone()
    }

    pub fn busy(self: &Arc<Self>) -> Busy {
        self.busy.send_modify(|count| *count += 1);
        Busy(self.clone())
    }

    /// Waits until no leg is alive and no webhook is in flight.
    pub async fn settled(&self) {
        let _ = self.busy.subscribe().wait_for(|count| *count == 0).await;
    }

    pub fn set_callee(&self, number: Option<String>, script: CalleeScript) {
        let mut callees = lock(&self.callees);
        match number {
            Some(number) => drop(callees.by_number.insert(number, script)),
            None => callees.usual = script,
        }
    }

    pub fn callee(&self, number: &str) -> CalleeScript {
        let callees = lock(&self.callees);
        callees.by_number.get(number).unwrap_or(&callees.usual).clone()
    }

    /// Creates a leg and starts its task. `session` ties it to another leg.
    pub fn place(self: &Arc<Self>, new: NewLeg) -> (Arc<Leg>, oneshot::Receiver<super::ledger::CallRecord>) {
        let number = self.next_leg.fetch_add(1, Ordering::Relaxed);
        let (inbox, inputs) = mpsc::channel(INBOX);
        let leg = Arc::new(Leg {
            number,
            control_id: self.names.control_id(),
            leg_id: self.names.uuid().to_string().into(),
            session_id: new.session_id.unwrap_or_else(|| self.names.uuid().to_string()),
            connection_id: self.config.connection_id.clone(),
            from: new.from,
            to: new.to,
            incoming: matches!(new.side, Side::Caller(_)),
            transfer_target: matches!(new.side, Side::Callee { partner: Some(_), .. }),
            started_at: self.clock.now(),
            inbox,
            fate: Arc::new(Fate::default()),
            state: Mutex::new(LegState {
                phase: Phase::Ringing,
                answered_at: None,
                ended_at: None,
                client_state: new.client_state,
                webhook_url: new.webhook_url,
                commands: CommandIds::default(),
                asked: HashMap::new(),
                random: SeededRandom::new(self.config.seed, number * 4),
            }),
        });
        {
            let mut legs = lock(&self.legs);
            legs.by_control_id.insert(leg.control_id.clone(), leg.clone());
            legs.alive.insert(number, leg.clone());
        }
        self.courier.lock().totals.calls += 1;
        let (done, ended) = oneshot::channel();
        tokio::spawn(
            LegTask::new(self.clone(), leg.clone(), new.side, inputs, done).run(new.begin, new.place),
        );
        (leg, ended)
    }

    /// Records that a leg ended; it can be queried for a while.
    pub fn retire(&self, leg: &Leg) {
        let now = self.clock.now();
        let mut legs = lock(&self.legs);
        legs.alive.remove(&leg.number);
        legs.over.push_back((now, leg.control_id.clone()));
        while legs.over.front().is_some_and(|(at, _)| legs.over.len() > MEMORY_SIZE || now - *at > MEMORY) {
            if let Some((_, forgotten)) = legs.over.pop_front() {
                legs.by_control_id.remove(&forgotten);
            }
        }
    }

    pub fn leg(&self, control_id: &str) -> Option<Arc<Leg>> {
        lock(&self.legs).by_control_id.get(control_id).cloned()
    }

    pub fn recordings(&self) -> MutexGuard<'_, Recordings> {
        lock(&self.recordings)
    }

    pub fn detail_records(&self) -> MutexGuard<'_, DetailRecords> {
        lock(&self.detail_records)
    }

    /// The living legs, in the order they were placed.
    pub fn alive(&self) -> Vec<Arc<Leg>> {
        let legs = lock(&self.legs);
        legs.alive.values().filter(|leg| leg.lock().phase != Phase::Over).cloned().collect()
    }

    /// Handles a command, `POST /calls/{id}/actions/{name}`.
    pub fn command(&self, control_id: &str, name: &str, body: Value) -> Reply {
        let now = self.clock.now();
        let id = body["command_id"].as_str().map(str::to_owned);
        let Some(leg) = self.leg(control_id) else {
            return self.record(Verdict::plain(Answer::unknown_call()), None, name, id, body, now);
        };
        let verdict = self.judge(&leg, name, id.as_deref(), &body, now);
        self.record(verdict, Some(&leg.leg_id), name, id, body, now)
    }

    fn judge(&self, leg: &Arc<Leg>, name: &str, id: Option<&str>, body: &Value, now: Time) -> Verdict {
        let mischief = self.config.mischief;
        let mut state = leg.lock();
        if id.is_some_and(|id| state.commands.is_repeat(id, now)) {
            return Verdict { repeat: true, ..Verdict::plain(Answer::accepted()) };
        }
        let action = match Action::read(name, body) {
            Ok(action) => action,
            Err(answer) => return Verdict::plain(answer),
        };
        if state.phase == Phase::Over {
            return Verdict::plain(Answer::call_over());
        }
        if matches!(action, Action::Answer(_)) && !leg.incoming {
            return Verdict::plain(Answer::refused(422, "90102", "Outbound calls cannot be answered", ""));
        }
        if action.needs_answer() && state.phase == Phase::Ringing {
            return Verdict::plain(Answer::not_answered());
        }
        let state = &mut *state;
        if let Some(answer) = disturb(&mut state.random, &mut state.commands, &mischief, id, now) {
            return Verdict::plain(answer);
        }
        let doubled = action.effect().is_some_and(|effect| doubles(&mut state.asked, effect, id));
        let (gate, answered) = oneshot::channel();
        let silent = matches!(action, Action::Silent);
        let action = match action {
            Action::BridgeTo(other) => match self.bridged_with(leg, &other) {
                Ok(other) => Action::Bridge(other),
                Err(answer) => return Verdict::plain(answer),
            },
            action => action,
        };
        if leg.inbox.try_send(Input::Order(Order { action, answered })).is_err() {
            return Verdict::plain(Answer::too_many());
        }
        if let Some(id) = id {
            state.commands.done(id, now);
        }
        if let Some(client_state) = body["client_state"].as_str() {
            state.client_state = Some(client_state.to_owned());
        }
        let manner = manner(&mut state.random, &mischief, leg, silent);
        Verdict { answer: Answer::accepted(), manner, gate: Some(gate), repeat: false, doubled }
    }

    fn bridged_with(&self, leg: &Leg, other: &str) -> Result<Arc<Leg>, Answer> {
        let other =
            self.leg(other).filter(|other| other.number != leg.number).ok_or_else(Answer::unknown_call)?;
        // locks one leg at a time, because legs have no lock order
        let phase = other.lock().phase;
        match phase {
            Phase::Over => Err(Answer::call_over()),
            Phase::Ringing => Err(Answer::not_answered()),
            _ => Ok(other),
        }
    }

    /// Handles `POST /calls`, which dials.
    pub fn dial(self: &Arc<Self>, body: Value) -> Reply {
        let now = self.clock.now();
        let id = body["command_id"].as_str().map(str::to_owned);
        let mut leg_id = None;
        let verdict = self.judge_dial(id.as_deref(), &body, now, &mut leg_id);
        self.record(verdict, leg_id.as_deref(), "dial", id, body, now)
    }

    fn judge_dial(
        self: &Arc<Self>,
        id: Option<&str>,
        body: &Value,
        now: Time,
        leg_id: &mut Option<Arc<str>>,
    ) -> Verdict {
        let mischief = self.config.mischief;
        let mut dials = lock(&self.dials);
        let dials = &mut *dials;
        if id.is_some_and(|id| dials.seen.is_repeat(id, now)) {
            return Verdict { repeat: true, ..Verdict::plain(Answer::accepted()) };
        }
        let placing = match self.read_dial(body) {
            Ok(placing) => placing,
            Err(answer) => return Verdict::plain(answer),
        };
        if let Some(answer) = disturb(&mut dials.random, &mut dials.seen, &mischief, id, now) {
            return Verdict::plain(answer);
        }
        // two dials for the same call carry the same state
        let doubled = placing.client_state.clone().is_some_and(|state| doubles(&mut dials.asked, state, id));
        if dials.asked.len() > MEMORY_SIZE {
            dials.asked.clear();
        }
        if let Some(id) = id {
            dials.seen.done(id, now);
        }
        let (gate, begin) = oneshot::channel();
        let (leg, _) = self.place(NewLeg {
            from: placing.from.clone().unwrap_or_default(),
            to: placing.to.clone(),
            session_id: None,
            client_state: placing.client_state.clone(),
            webhook_url: placing.extras.webhook_url.clone(),
            side: Side::Callee { script: self.callee(&placing.to), placing, partner: None },
            begin: Some(begin),
            place: None,
        });
        *leg_id = Some(leg.leg_id.clone());
        let manner = manner(&mut dials.random, &mischief, &leg, false);
        let answer = Answer::ok(json!({
            "record_type": "call",
            "call_control_id": leg.control_id,
            "call_leg_id": &*leg.leg_id,
            "call_session_id": leg.session_id,
            "client_state": body["client_state"],
            "is_alive": false,
        }));
        Verdict { answer, manner, gate: Some(gate), repeat: false, doubled }
    }

    fn read_dial(&self, body: &Value) -> Result<Placing, Answer> {
        if body["connection_id"].as_str() != Some(&self.config.connection_id) {
            return Err(Answer::refused(422, "10015", "Invalid value for connection_id", "/connection_id"));
        }
        check_state(body, "client_state")?;
        let placing = Placing::read(body, "client_state")?;
        if placing.from.is_none() { Err(missing("from")) } else { Ok(placing) }
    }

    fn record(
        &self,
        verdict: Verdict,
        leg_id: Option<&str>,
        name: &str,
        command_id: Option<String>,
        body: Value,
        at: Time,
    ) -> Reply {
        let dropped = matches!(verdict.manner, Manner::Drop);
        self.courier.lock().command(CommandRecord {
            at,
            leg_id: leg_id.map(str::to_owned),
            name: name.to_owned(),
            command_id,
            body,
            status: if dropped { 0 } else { verdict.answer.status },
            code: verdict.answer.code,
            repeat: verdict.repeat,
            doubled: verdict.doubled,
        });
        Reply { answer: verdict.answer, manner: verdict.manner, gate: verdict.gate }
    }
}

/// A leg to create.
#[derive(Debug)]
pub(super) struct NewLeg {
    pub from: String,
    pub to: String,
    pub session_id: Option<String>,
    pub client_state: Option<String>,
    pub webhook_url: Option<Arc<str>>,
    pub side: Side,
    /// The leg waits for this before it starts.
    pub begin: Option<oneshot::Receiver<()>>,
    /// The leg's permit among the calls that may be in progress at once.
    pub place: Option<OwnedSemaphorePermit>,
}

struct Verdict {
    answer: Answer,
    manner: Manner,
    gate: Option<oneshot::Sender<()>>,
    repeat: bool,
    doubled: bool,
}

impl Verdict {
    fn plain(answer: Answer) -> Self {
        Self { answer, manner: Manner::Plain, gate: None, repeat: false, doubled: false }
    }
}

/// Decides to answer with an error instead of carrying out, at most once for each command id.
fn disturb(
    random: &mut SeededRandom,
    seen: &mut CommandIds,
    mischief: &super::config::CarrierFaults,
    id: Option<&str>,
    now: Time,
) -> Option<Answer> {
    let id = id.filter(|id| !seen.was_disturbed(id))?;
    let answer = if random.roll(mischief.server_error) {
        Answer::broken()
    } else if random.roll(mischief.rate_limit) {
        Answer::too_many()
    } else {
        return None;
    };
    seen.disturbed(id, now);
    Some(answer)
}

fn manner(
    random: &mut SeededRandom,
    mischief: &super::config::CarrierFaults,
    leg: &Arc<Leg>,
    silent: bool,
) -> Manner {
    if random.roll(mischief.drop_response) {
        Manner::Drop
    } else if !silent && random.roll(mischief.webhook_first) {
        Manner::AfterWebhook(leg.clone(), leg.fate.webhooks.load(Ordering::Relaxed))
    } else if random.roll(mischief.late_answer) {
        Manner::Late(mischief.late_by)
    } else {
        Manner::Plain
    }
}

fn doubles(asked: &mut HashMap<String, Option<String>>, effect: String, id: Option<&str>) -> bool {
    let before = asked.insert(effect, id.map(str::to_owned));
    before.is_some_and(|before| before.as_deref() != id || id.is_none())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
