//! The conversation service: begins conversations, adds messages, streams the answers.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::conversation::{
    AgentRef, CancelledFor, Conversation, ConversationCommand, ConversationEvent, ConversationRefusal,
    ConversationStarted, Prompt, Said, TurnCompleted, TurnFault,
};
use domain::envelope::{Position, Version};
use domain::ids::{AgentId, ClientId, ConversationId, MessageId};
use domain::model::{ModelRef, Usage};
use domain::ports::event_store::{Direction, ReadError};
use domain::ports::llm::LanguageModels;
use domain::ports::tools::ToolRunner;
use domain::ports::vault::Vault;
use domain::wire::DomainEvent as _;
use lru::LruCache;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use super::agents::{AgentRegistry, TurnSetup};
use super::feed::{Answer, Failed, Feed, Piece};
use super::sentiment::{ScoreRequest, SentimentScorer};
use super::tools::Toolbox;
use super::turn::Turn;
use crate::context::CommandContext;
use crate::entity::{Actors, LiveOptions, Observer};
use crate::knowledge::Knowledge;
use crate::memory::MemoryService;
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt};

/// Finished turns whose feeds are kept in memory.
const KEPT_FEEDS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
/// Conversations that may wait for sentiment scoring; beyond that they are not scored.
const JUDGED: usize = 10_000;
/// Number of locks that conversations share, each picked by the conversation's id.
const LOCKS: usize = 256;
/// Events read at a time when searching backwards for one of the last.
const PAGE: usize = 16;
/// Poll interval while another node runs the turn.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
pub struct ConversationOptions {
    pub live: LiveOptions,
    /// Size of the window a model is given of a conversation, in estimated tokens; what is older is summarized.
    pub window_tokens: u64,
    /// Longest time a turn may take.
    pub turn_limit: Duration,
    /// Most turns that run at the same time on this node.
    pub turns: usize,
    /// Whether this is the only node: then a turn that does not run here is dead.
    pub sole: bool,
    /// Whether models score sentiment where one is available; otherwise a word list does.
    pub judge_by_model: bool,
}

impl Default for ConversationOptions {
    fn default() -> Self {
        Self {
            live: LiveOptions::default(),
            window_tokens: 6_000,
            turn_limit: Duration::from_secs(120),
            turns: 2_000,
            sole: false,
            judge_by_model: true,
        }
    }
}

/// The dependencies of the conversation service.
#[derive(Debug, Clone)]
pub struct ConversationDeps {
    pub runtime: Runtime,
    pub models: Arc<dyn LanguageModels>,
    /// Sends tool calls to the client's own systems.
    pub tools: Arc<dyn ToolRunner>,
    /// Decrypts the tools' secrets.
    pub vault: Arc<dyn Vault>,
    /// Looks passages up; `None` where agents have no knowledge bases.
    pub knowledge: Option<Knowledge>,
    /// Finds what is known of the person; `None` where nothing is remembered.
    pub memories: Option<MemoryService>,
}

/// A message to be answered.
#[derive(Debug, Clone)]
pub struct Question {
    pub conversation: ConversationId,
    /// How to begin the conversation if it does not exist: its first event, and the agent's id, whose deployed
    /// version is looked up. `None` when it must exist already.
    pub start: Option<(ConversationStarted, Option<AgentId>)>,
    /// The message; `None` answers the last message of the conversation.
    pub said: Option<Said>,
}

/// Why a turn could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// The conversation cannot be written, or its rules refuse the command.
    #[error("the conversation cannot go on")]
    Command(#[from] CommandError<ConversationRefusal>),
    #[error("there is no such agent")]
    UnknownAgent,
    #[error("the log cannot be read: {0}")]
    Log(String),
    /// Too many turns run at the same time.
    #[error("too many conversations are being answered")]
    Busy,
}

#[derive(Debug)]
struct Inner {
    deps: ConversationDeps,
    options: ConversationOptions,
    actors: Actors<Conversation>,
    desk: AgentRegistry,
    /// Locks held from looking at a conversation until its new turn is in `running`, so that nobody takes that
    /// turn for dead in between.
    asking: Vec<tokio::sync::Mutex<()>>,
    /// Turns that run on this node.
    running: Mutex<HashMap<MessageId, Arc<Feed>>>,
    over: Mutex<LruCache<MessageId, Arc<Feed>>>,
    tasks: TaskTracker,
    mood: mpsc::Sender<ScoreRequest>,
    stop: CancellationToken,
}

/// Begins conversations, adds messages and streams the answers. Clones share one service.
#[derive(Debug, Clone)]
pub struct ConversationService(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

impl ConversationService {
    /// Starts the registry. The caller must also run the returned [`SentimentScorer`], which scores sentiment. Must be called
    /// inside an actix system.
    #[must_use]
    pub fn start(
        deps: ConversationDeps,
        options: ConversationOptions,
        observer: Option<Observer<Conversation>>,
        stop: CancellationToken,
    ) -> (Self, SentimentScorer) {
        let actors = Actors::start(deps.runtime.clone(), options.live, observer, stop.clone());
        let (mood, jobs) = mpsc::channel(JUDGED);
        let inner = Inner {
            desk: AgentRegistry::new(deps.runtime.clone()),
            deps,
            options,
            actors,
            asking: (0..LOCKS).map(|_| tokio::sync::Mutex::default()).collect(),
            running: Mutex::default(),
            over: Mutex::new(LruCache::new(KEPT_FEEDS)),
            tasks: TaskTracker::new(),
            mood,
            stop,
        };
        (Self(Arc::new(inner)), SentimentScorer(jobs))
    }

    /// Waits until every running turn has recorded its end. Call it when the node stops: no turn goes on then.
    pub async fn finish(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.0.deps.runtime
    }

    pub(super) fn options(&self) -> &ConversationOptions {
        &self.0.options
    }

    #[must_use]
    pub fn models(&self) -> &Arc<dyn LanguageModels> {
        &self.0.deps.models
    }

    /// Reads agents and tools.
    #[must_use]
    pub fn desk(&self) -> &AgentRegistry {
        &self.0.desk
    }

    #[must_use]
    pub fn tool_runner(&self) -> &Arc<dyn ToolRunner> {
        &self.0.deps.tools
    }

    pub(super) fn knowledge(&self) -> Option<&Knowledge> {
        self.0.deps.knowledge.as_ref()
    }

    pub(super) fn memories(&self) -> Option<&MemoryService> {
        self.0.deps.memories.as_ref()
    }

    pub(super) fn toolbox(&self) -> Toolbox {
        let ConversationDeps { runtime, tools, vault, .. } = self.0.deps.clone();
        Toolbox { runtime, runner: tools, vault }
    }

    /// Drops finished turns and passivates idle conversations after a person was erased, so that no erased
    /// text stays in memory.
    pub fn forget(&self) {
        lock(&self.0.over).clear();
        self.0.actors.rest_all();
    }

    /// Calls [`forget`](Self::forget) whenever `erasures` changes, until `stop`.
    pub async fn forget_at(self, mut erasures: watch::Receiver<Position>, stop: CancellationToken) {
        while let Some(Ok(())) = stop.run_until_cancelled(erasures.changed()).await {
            self.forget();
        }
    }

    /// Number of conversation actors that are active on this node.
    #[must_use]
    pub fn live(&self) -> usize {
        self.0.actors.live()
    }

    /// Carries a command out; `only_at` makes it conditional on the version of the conversation's stream.
    pub async fn execute(
        &self,
        id: ConversationId,
        command: ConversationCommand,
        context: CommandContext,
        only_at: Option<Version>,
    ) -> Result<Receipt, CommandError<ConversationRefusal>> {
        self.0.actors.execute(id.0, command, context, only_at).await
    }

    pub(super) async fn command(
        &self,
        id: ConversationId,
        command: ConversationCommand,
        context: &CommandContext,
    ) -> Result<Receipt, CommandError<ConversationRefusal>> {
        self.execute(id, command, context.clone(), None).await
    }

    pub(super) async fn look<R: Send + 'static>(
        &self,
        id: ConversationId,
        question: impl Fn(&Conversation) -> R + Clone + Send + 'static,
    ) -> Result<R, CommandError<ConversationRefusal>> {
        self.0.actors.ask(id.0, false, move |state, _| question(state)).await
    }

    pub(super) async fn prompt(
        &self,
        id: ConversationId,
        system: &str,
    ) -> Result<Prompt, CommandError<ConversationRefusal>> {
        let system = system.to_owned();
        self.look(id, move |state| state.prompt(&system)).await
    }

    pub(super) async fn seq_of(&self, id: ConversationId, turn: MessageId) -> Option<u32> {
        self.look(id, move |state| state.answer(turn).map(|answer| answer.seq)).await.ok().flatten()
    }

    /// The conversation's state and its client. With `newest`, events that other nodes wrote are read first.
    pub async fn inspect(
        &self,
        id: ConversationId,
        newest: bool,
    ) -> Result<(Conversation, Option<ClientId>), CommandError<ConversationRefusal>> {
        self.0.actors.ask(id.0, newest, |state, client| (state.clone(), client)).await
    }

    /// Adds a message, and answers the feed of the turn that answers it. On any error nothing was added.
    pub async fn ask(
        &self,
        question: Question,
        context: CommandContext,
    ) -> Result<(Receipt, Arc<Feed>), ConversationError> {
        let id = question.conversation;
        let (receipt, turn, feed) = self.begin_or_find(question, context).await?;
        let feed = match feed {
            Some(feed) => feed,
            // the same request was made before, or there was nothing to answer
            None => self.feed(id, turn.unwrap_or(MessageId(id.0))).await?,
        };
        Ok((receipt, feed))
    }

    /// Begins a turn. Begins none, and answers no feed, when the same request was made before or there
    /// is nothing to answer.
    async fn begin_or_find(
        &self,
        question: Question,
        context: CommandContext,
    ) -> Result<(Receipt, Option<MessageId>, Option<Arc<Feed>>), ConversationError> {
        if self.0.stop.is_cancelled() {
            return Err(ConversationError::Busy);
        }
        let began = Instant::now();
        let id = question.conversation;
        let asking = self.0.asking[id.0.as_bytes()[15] as usize % LOCKS].lock().await;
        let known = |state: &Conversation, client: Option<ClientId>| {
            let open = state.turn().map(|turn| (turn.id, turn.node.clone()));
            (client, state.agent().map(|agent| agent.id), open)
        };
        let (owner, agent, open) = self.0.actors.ask(id.0, false, known).await?;
        if owner.is_some_and(|owner| owner != context.client) {
            return Err(CommandError::OtherClient.into());
        }
        let agent = agent.or(question.start.as_ref().and_then(|(_, agent)| *agent));
        let cast = self.cast(context.client, agent).await?;
        let agent = cast.agent.as_ref().map(|(agent, _)| *agent);
        let (node, now) = (self.runtime().node.to_string(), self.runtime().clock.now());
        let dead = open.filter(|(turn, owner)| self.is_dead(*turn, owner)).map(|(turn, _)| turn);
        if lock(&self.0.running).len() >= self.options().turns {
            return Err(ConversationError::Busy);
        }
        let start = question.start.map(|(start, _)| Box::new(ConversationStarted { agent, ..start }));
        // a little more than the node that runs the turn allows itself
        let limit = self.options().turn_limit + Duration::from_secs(10);
        let ends_by = now + chrono::TimeDelta::from_std(limit).unwrap_or_default();
        let said = question.said.map(Box::new);
        let named = said.as_ref().map(|said| said.id);
        let ask = ConversationCommand::Ask { start, said, agent, node, dead, ends_by, now };
        let receipt = self.command(id, ask, &context).await?;
        let open = self.look(id, |state| state.turn().map(|turn| turn.id)).await?;
        let turn = named.or(open);
        let feed = match (receipt.position, turn) {
            (Some(_), Some(turn)) => Some(self.begin(id, turn, cast, context, began)),
            _ => None,
        };
        drop(asking);
        Ok((receipt, turn, feed))
    }

    /// Begins a turn like [`ask`](Self::ask), without reading the answer. On any error nothing was added.
    pub(super) async fn begin_turn(
        &self,
        question: Question,
        context: CommandContext,
    ) -> Result<(), ConversationError> {
        let asked = self.begin_or_find(question, context).await?;
        drop(asked);
        Ok(())
    }

    /// Whether no node works on an open turn any more.
    fn is_dead(&self, turn: MessageId, node: &str) -> bool {
        let ours = *node == *self.runtime().node;
        (ours || self.options().sole) && !lock(&self.0.running).contains_key(&turn)
    }

    async fn cast(&self, client: ClientId, agent: Option<AgentId>) -> Result<TurnSetup, ConversationError> {
        match agent {
            Some(agent) => {
                let live = self.0.desk.live(client, agent).await.map_err(ConversationError::Log)?;
                let live = live.ok_or(ConversationError::UnknownAgent)?;
                self.0.desk.cast(client, live).await.map_err(ConversationError::Log)
            }
            None => {
                Ok(TurnSetup { models: self.models().default_models(client).await, ..TurnSetup::default() })
            }
        }
    }

    /// The version of an agent that a new conversation would run. Fails when there is no such agent, or the
    /// log cannot be read.
    pub async fn agent(&self, client: ClientId, agent: AgentId) -> Result<AgentRef, ConversationError> {
        let live = self.0.desk.live(client, agent).await.map_err(ConversationError::Log)?;
        live.map(|(agent, _)| agent).ok_or(ConversationError::UnknownAgent)
    }

    fn begin(
        &self,
        conversation: ConversationId,
        turn: MessageId,
        cast: TurnSetup,
        context: CommandContext,
        began: Instant,
    ) -> Arc<Feed> {
        let feed = Arc::new(Feed::new(conversation, turn));
        lock(&self.0.running).insert(turn, feed.clone());
        metrics::gauge!(domain::metrics::TURNS_RUNNING).increment(1);
        let (conversations, stop) = (self.clone(), self.0.stop.clone());
        let trace = self.runtime().trace;
        let span = trace.continuing(
            trace.current().or_else(|| context.traceparent.clone()).as_deref(),
            || tracing::info_span!(parent: None, "conversation.turn", conversation.id = %conversation),
        );
        let run = Turn { conversations, conversation, turn, cast, context, feed: feed.clone(), began };
        self.0.tasks.spawn(run.run(stop).instrument(span));
        feed
    }

    /// Ends a turn that has recorded its outcome: moves its feed to the finished ones, so that the next turn may
    /// begin, then summarizes and schedules sentiment scoring.
    pub(super) async fn turn_over(&self, turn: &Turn) {
        {
            let mut running = lock(&self.0.running);
            running.remove(&turn.turn);
            lock(&self.0.over).put(turn.turn, turn.feed.clone());
        }
        metrics::gauge!(domain::metrics::TURNS_RUNNING).decrement(1);
        if self.0.stop.is_cancelled() {
            return;
        }
        self.sum_up(turn.conversation, &turn.cast.models, &turn.context).await;
        self.score_later(turn.conversation, turn.turn, &turn.cast.models, &turn.context).await;
    }

    /// Schedules sentiment scoring of the messages from `message` on.
    async fn score_later(
        &self,
        conversation: ConversationId,
        message: MessageId,
        models: &[ModelRef],
        context: &CommandContext,
    ) {
        let seq = move |state: &Conversation| state.window().find(|one| one.id == message).map(|one| one.seq);
        if let Ok(Some(from)) = self.look(conversation, seq).await {
            let (models, context) = (models.to_vec(), context.clone());
            // the queue is full: the messages are not scored
            let _ = self.0.mood.try_send(ScoreRequest { conversation, from, models, context });
        }
    }

    /// The feed of a turn that runs on this node, ran here lately, or ran anywhere and is still in the
    /// conversation's state. Waits for the end of a turn that runs on another node.
    pub async fn feed(
        &self,
        conversation: ConversationId,
        turn: MessageId,
    ) -> Result<Arc<Feed>, ConversationError> {
        let here = || {
            let running = lock(&self.0.running).get(&turn).cloned();
            running.or_else(|| lock(&self.0.over).get(&turn).cloned())
        };
        loop {
            if let Some(feed) = here().filter(|feed| feed.conversation() == conversation) {
                return Ok(feed);
            }
            let (state, _) = self.inspect(conversation, true).await?;
            let now = self.runtime().clock.now();
            let open = state.turn().filter(|open| open.id == turn && now < open.ends_by);
            let dead = open.is_some_and(|open| self.is_dead(turn, &open.node));
            if open.is_none() || dead {
                let outcome = stored(&state, turn);
                return Ok(Arc::new(Feed::over(conversation, turn, outcome)));
            }
            tokio::select! {
                () = self.0.stop.cancelled() => return Err(ConversationError::Busy),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Handles the conversation's timer that the event `set_by` set: publishes the update of the conversation that
    /// was held back, and fails a turn that began with that event and is still open, because the node that ran it
    /// is gone. Fails with a description when the log cannot be reached.
    pub(crate) async fn wake(
        &self,
        id: ConversationId,
        set_by: Uuid,
        context: &CommandContext,
    ) -> Result<(), String> {
        let open =
            self.look(id, |state| state.turn().map(|turn| turn.id)).await.map_err(|e| e.to_string())?;
        if let Some(turn) = open
            && !lock(&self.0.running).contains_key(&turn)
            && self.started_by(id, set_by).await.map_err(|e| e.to_string())? == Some(turn)
        {
            self.abandon(id, turn, context).await?;
        }
        let tell = ConversationCommand::TellUpdates { now: self.runtime().clock.now() };
        settled(self.command(id, tell, context).await)
    }

    /// Records an open turn as failed when its node is known to be dead.
    pub(crate) async fn fail_orphan(
        &self,
        id: ConversationId,
        context: &CommandContext,
    ) -> Result<(), String> {
        // holds the lock, so that no new turn begins here meanwhile
        let _asking = self.0.asking[id.0.as_bytes()[15] as usize % LOCKS].lock().await;
        let open = self.look(id, |state| state.turn().map(|turn| (turn.id, turn.node.clone())));
        match open.await.map_err(|error| error.to_string())? {
            Some((turn, node)) if self.is_dead(turn, &node) => self.abandon(id, turn, context).await,
            _ => Ok(()),
        }
    }

    async fn abandon(
        &self,
        id: ConversationId,
        turn: MessageId,
        context: &CommandContext,
    ) -> Result<(), String> {
        let (fault, now) = (TurnFault::Abandoned, self.runtime().clock.now());
        let fail = ConversationCommand::Fail { turn, fault, passed_over: vec![], now };
        settled(self.command(id, fail, context).await)
    }

    /// The turn that the event with this id began.
    async fn started_by(&self, id: ConversationId, event: Uuid) -> Result<Option<MessageId>, ReadError> {
        let (stream, mut before) = (id.stream(), Version::NONE);
        loop {
            let page = self.runtime().store.read_stream(&stream, before, Direction::Backwards, PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            if let Some(found) = page.iter().find(|recorded| recorded.id == event) {
                let fact = ConversationEvent::decode(&found.event_type, found.schema, &found.payload);
                let Ok(ConversationEvent::TurnStarted(started)) = fact else { return Ok(None) };
                return Ok(Some(started.turn));
            }
            if last.version.0 <= 1 {
                return Ok(None);
            }
            before = last.version;
        }
    }

    /// Cancels the turn that is being answered.
    pub async fn cancel(
        &self,
        id: ConversationId,
        why: CancelledFor,
        context: &CommandContext,
    ) -> Result<Receipt, CommandError<ConversationRefusal>> {
        let now = self.runtime().clock.now();
        self.command(id, ConversationCommand::Cancel { turn: None, why, now }, context).await
    }
}

/// Treats a refusal as success: the conversation has moved on by itself.
fn settled(done: Result<Receipt, CommandError<ConversationRefusal>>) -> Result<(), String> {
    match done {
        Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The outcome of a finished turn, as far as the conversation's state keeps it.
fn stored(state: &Conversation, turn: MessageId) -> Piece {
    if let Some(answer) = state.answer(turn)
        && let Some(by) = &answer.by
    {
        let completed = TurnCompleted {
            turn,
            id: answer.id,
            seq: answer.seq,
            content: answer.content.clone(),
            by: by.clone(),
            usage: Usage::default(),
            latency_ms: 0,
            first_token_ms: None,
            finish: domain::conversation::Finish::Stop,
            passed_over: vec![],
            retrieved: None,
            call: None,
            tell_at: None,
            at: domain::envelope::Time::UNIX_EPOCH,
        };
        return Piece::Message(Box::new(Answer { completed, usage: Usage::default(), position: None }));
    }
    let fault =
        if state.cancelled(turn) { None } else { Some(state.failed(turn).unwrap_or(TurnFault::Abandoned)) };
    Piece::Error(Failed { fault, passed_over: vec![] })
}
