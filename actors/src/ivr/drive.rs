//! Passes commands between a call and the IVR session that leads it through menus.
//!
//! The node that writes an event handles it here at once, so that a caller does not wait for the outbox. A moment
//! later the outbox handles whatever was lost with a node. Both give the same commands under the same ids, so
//! either may come first, and both may run.

use std::sync::Arc;
use std::time::Instant;

use domain::call::terms::{EndReason, EndedBy};
use domain::call::{Call, CallCommand, CallEvent, CallRefusal, IvrNews};
use domain::envelope::{Actor, Position, Recorded, Time, Version};
use domain::ids::{CallId, ClientId, IvrSessionId, MenuId, derive};
use domain::ivr::menu::action_faults;
use domain::ivr::session::{
    Answered, Asked, IvrSession, Keyed, SessionCommand, SessionEvent, SessionRefusal, Source, StepAnswer,
    WebhookOutcome,
};
use domain::ports::event_store::Direction;
use domain::ports::ivr_webhook::{StepQuestion, StepWebhooks};
use domain::ports::outbox::{Cause, OutboxItem};
use domain::wire::DomainEvent as _;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use super::sessions::IvrSessions;
use crate::call::Calls;
use crate::context::CommandContext;
use crate::conversation::DefaultAgents;
use crate::entity::{Observer, Written};
use crate::outbox::follow::cause_of;
use crate::runtime::Runtime;
use crate::session::CommandError;

/// Events that may wait to be handled; the outbox handles what does not fit.
const QUEUE: usize = 16_384;
/// Events handled at the same time.
const AT_ONCE: usize = 256;
/// Events of a session read at a time to find the one that set a timer; it is among the last.
const PAGE: usize = 16;
/// Name of this component in the metadata of events.
const COMPONENT: &str = "ivr";

/// Why an event could not be handled; the outbox tries again.
#[derive(Debug, thiserror::Error)]
pub enum IvrError {
    #[error("the session cannot be told")]
    Session(#[source] CommandError<SessionRefusal>),
    #[error("the call cannot be told")]
    Call(#[source] CommandError<CallRefusal>),
    #[error("the log cannot be read")]
    Log(#[from] domain::ports::event_store::ReadError),
}

/// An event of a call or a session that the other side must handle.
#[derive(Debug)]
enum News {
    Call { call: CallId, client: ClientId, fact: Box<CallEvent>, cause: Cause, since: Instant },
    Session { session: IvrSessionId, client: ClientId, cause: Cause },
}

impl News {
    fn cause(&self) -> &Cause {
        match self {
            Self::Call { cause, .. } | Self::Session { cause, .. } => cause,
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Call { .. } => "call",
            Self::Session { .. } => "session",
        }
    }
}

/// Queue of the events that calls and sessions have just written.
#[derive(Debug)]
pub struct IvrNewsChannel {
    sender: mpsc::Sender<News>,
    receiver: mpsc::Receiver<News>,
}

impl Default for IvrNewsChannel {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Self { sender, receiver }
    }
}

impl IvrNewsChannel {
    /// An observer for calls: queues their events that concern a session.
    #[must_use]
    pub fn of_calls(&self) -> Observer<Call> {
        let sender = self.sender.clone();
        Arc::new(move |written: &Written<'_, Call>| {
            for (event_id, fact) in written.facts {
                if matches!(fact, CallEvent::IvrSessionRequested(_) | CallEvent::IvrNotified(_)) {
                    let (call, client) = (CallId(written.id), written.client);
                    let cause = cause(*event_id, written.context);
                    let (fact, since) = (Box::new(fact.clone()), Instant::now());
                    // the queue is full: the outbox handles the event
                    let _ = sender.try_send(News::Call { call, client, fact, cause, since });
                }
            }
        })
    }

    /// An observer for sessions: counts their events and queues those that the driver did not write itself.
    #[must_use]
    pub fn of_sessions(&self) -> Observer<IvrSession> {
        let sender = self.sender.clone();
        Arc::new(move |written: &Written<'_, IvrSession>| {
            written.facts.iter().for_each(|(_, fact)| count(fact));
            // the driver handles what it writes itself
            let own = matches!(&written.context.actor, Actor::System(component) if component == COMPONENT);
            if let (false, Some((event_id, _))) = (own, written.facts.last()) {
                let (session, client) = (IvrSessionId(written.id), written.client);
                let cause = cause(*event_id, written.context);
                let _ = sender.try_send(News::Session { session, client, cause });
            }
        })
    }
}

fn cause(event_id: Uuid, context: &CommandContext) -> Cause {
    let (correlation_id, traceparent) = (context.correlation_id, context.traceparent.clone());
    Cause { event_id, correlation_id, traceparent }
}

fn count(fact: &SessionEvent) {
    match fact {
        SessionEvent::StepTaken(step) => {
            metrics::counter!(domain::metrics::IVR_STEPS, "heard" => step.heard.as_str()).increment(1);
        }
        SessionEvent::Ended(end) => {
            metrics::counter!(domain::metrics::IVR_SESSIONS, "status" => end.status.as_str()).increment(1);
        }
        _ => {}
    }
}

/// Carries commands between calls and IVR sessions.
#[derive(Debug, Clone)]
pub struct IvrDriver {
    pub runtime: Runtime,
    pub calls: Calls,
    pub sessions: IvrSessions,
    /// Sends menu webhooks to the clients' own systems.
    pub webhooks: Arc<dyn StepWebhooks>,
    /// The agent that takes a call when a menu names none.
    pub agents: Arc<DefaultAgents>,
}

impl IvrDriver {
    /// Handles the events in the channel until `stop`.
    pub async fn run(self, mut channel: IvrNewsChannel, stop: CancellationToken) {
        let (permits, tasks) = (Arc::new(Semaphore::new(AT_ONCE)), TaskTracker::new());
        loop {
            let news = tokio::select! {
                () = stop.cancelled() => break,
                news = channel.receiver.recv() => news,
            };
            let Some(news) = news else { break };
            let Ok(permit) = permits.clone().acquire_owned().await else { break };
            let driver = self.clone();
            let span = driver.runtime.trace.continuing(
                news.cause().traceparent.as_deref(),
                || tracing::info_span!(parent: None, "ivr.tell", about = news.about()),
            );
            let told = async move {
                if let Err(error) = driver.take(news).await {
                    // the outbox tries again
                    tracing::info!(error = &error as &dyn std::error::Error, "news of a session are put off");
                }
                drop(permit);
            };
            tasks.spawn(told.instrument(span));
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn take(&self, news: News) -> Result<(), IvrError> {
        match news {
            News::Call { call, client, fact, cause, since } => {
                self.tell(call, client, &fact, &cause).await?;
                metrics::histogram!(domain::metrics::IVR_ANSWER_SECONDS).record(since.elapsed());
                Ok(())
            }
            News::Session { session, client, cause } => self.order(session, client, &cause).await,
        }
    }

    /// Handles an event of a call that the outbox finds in the log. Fails when the log, the session or the
    /// call cannot be reached.
    pub async fn tell_again(&self, item: &OutboxItem) -> Result<(), IvrError> {
        let before = Position(item.position.0.saturating_sub(1));
        let events: Vec<Recorded> = self.runtime.store.read_all(before, 1).await?;
        let Some(recorded) = events.first() else { return Ok(()) };
        let Ok(fact) = CallEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload) else {
            return Ok(());
        };
        self.tell(CallId(item.subject), item.client, &fact, &cause_of(recorded)).await
    }

    async fn tell(
        &self,
        call: CallId,
        client: ClientId,
        fact: &CallEvent,
        cause: &Cause,
    ) -> Result<(), IvrError> {
        let session = match fact {
            CallEvent::IvrSessionRequested(requested) => {
                self.begin(call, client, requested.session_id, requested.menu_id, cause).await?;
                requested.session_id
            }
            CallEvent::IvrNotified(told) => {
                let session = told.session_id;
                let waiting = self.inspect(session).await?.waiting().map(|waiting| waiting.ask);
                let now = self.runtime.clock.now();
                let command = |book| command_of(&told.news, told.id, waiting, book, now);
                self.command(session, client, cause, &[], command).await?;
                session
            }
            _ => return Ok(()),
        };
        self.order(session, client, cause).await
    }

    async fn begin(
        &self,
        call: CallId,
        client: ClientId,
        session: IvrSessionId,
        menu: MenuId,
        cause: &Cause,
    ) -> Result<(), IvrError> {
        let now = self.runtime.clock.now();
        let context = CommandContext::following(COMPONENT, client, cause);
        let start = |book| {
            let (id, call) = (session.0, Some(call));
            SessionCommand::Start { session, id, menu, call, external_id: None, book, now }
        };
        match self.sessions.execute(session, &[menu], context.clone(), None, start).await {
            // the menu was deleted, so the call ends
            Err(CommandError::Refused(SessionRefusal::NoMenu)) => {
                let id = derive(session.0, "nowhere");
                let (reason, by) = (EndReason::PlatformError, EndedBy::System);
                let end = CallCommand::Conclude { id, farewell: None, reason, by, now };
                self.calls.execute(call, end, context, None).await.map(drop).map_err(IvrError::Call)
            }
            Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
            Err(error) => Err(IvrError::Session(error)),
        }
    }

    async fn command(
        &self,
        session: IvrSessionId,
        client: ClientId,
        cause: &Cause,
        also: &[MenuId],
        make: impl Fn(Arc<domain::ivr::book::Book>) -> Option<SessionCommand> + Send + Sync,
    ) -> Result<(), IvrError> {
        if make(Arc::default()).is_none() {
            return Ok(());
        }
        let context = CommandContext::following(COMPONENT, client, cause);
        let end = SessionCommand::End { now: self.runtime.clock.now() };
        let make = |book| make(book).unwrap_or_else(|| end.clone());
        match self.sessions.execute(session, also, context, None, make).await {
            Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
            Err(error) => Err(IvrError::Session(error)),
        }
    }

    async fn inspect(&self, session: IvrSessionId) -> Result<IvrSession, IvrError> {
        let found = self.sessions.inspect(session, false).await.map_err(IvrError::Session)?;
        Ok(found.0)
    }

    /// Gives the session's call the command that the session wants now. Fails when the session or the
    /// call cannot be reached.
    pub async fn order(
        &self,
        session: IvrSessionId,
        client: ClientId,
        cause: &Cause,
    ) -> Result<(), IvrError> {
        let now = self.runtime.clock.now();
        let Some(mut order) = self.inspect(session).await?.order(now) else { return Ok(()) };
        if let CallCommand::StartAgent { agent: agent @ None, .. } = &mut order.command {
            *agent = self.agents.of(client);
        }
        let context = CommandContext::following(COMPONENT, client, cause);
        let answer = match self.calls.execute(order.call, order.command, context, None).await {
            Ok(_) => return Ok(()),
            Err(CommandError::Refused(CallRefusal::WrongStatus { .. } | CallRefusal::Unknown)) => {
                Answered::Gone
            }
            Err(CommandError::Refused(_)) => Answered::Failed,
            Err(error) => return Err(IvrError::Call(error)),
        };
        let id = derive(order.id, "refused");
        let command = |book| Some(SessionCommand::CallAnswered { id, ask: order.id, answer, book, now });
        self.command(session, client, cause, &[], command).await
    }

    /// When the wait ends that the event with this id set a timer for; `None` when that event set none.
    async fn wait_set_by(&self, session: IvrSessionId, event: Uuid) -> Result<Option<Time>, IvrError> {
        let (stream, mut before) = (session.stream(), Version::NONE);
        loop {
            let page = self.runtime.store.read_stream(&stream, before, Direction::Backwards, PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            if let Some(found) = page.iter().find(|recorded| recorded.id == event) {
                let fact = SessionEvent::decode(&found.event_type, found.schema, &found.payload);
                return Ok(fact.ok().and_then(|fact| fact.waits_until()));
            }
            if last.version.0 <= 1 {
                return Ok(None);
            }
            before = last.version;
        }
    }

    /// Handles a timer of the session: what the session waits for counts as silence, or as timed out. The event
    /// `set_by` set the timer. Fails when the session or its call cannot be reached.
    pub async fn timer_fired(
        &self,
        session: IvrSessionId,
        set_by: Uuid,
        context: CommandContext,
    ) -> Result<(), IvrError> {
        let now = self.runtime.clock.now();
        let Some(set_for) = self.wait_set_by(session, set_by).await? else { return Ok(()) };
        let state = self.inspect(session).await?;
        let heard = match (state.call(), state.waiting()) {
            (Some(call), Some(waiting)) => {
                let call = self.calls.inspect(call).await.map_err(IvrError::Call)?;
                call.keys_heard(waiting.ask)
            }
            _ => None,
        };
        let fired = |book| SessionCommand::TimerFired { set_for, heard: heard.clone(), book, now };
        match self.sessions.execute(session, &[], context, None, fired).await {
            Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
            Err(error) => Err(IvrError::Session(error)),
        }
    }

    /// Sends the menu webhook that the session waits for, and gives the session the answer. Fails when the session
    /// or its call cannot be reached.
    pub async fn ask_webhook(
        &self,
        session: IvrSessionId,
        client: ClientId,
        cause: &Cause,
    ) -> Result<(), IvrError> {
        let state = self.inspect(session).await?;
        let Some(waiting) = state.waiting() else { return Ok(()) };
        let (ask, Asked::Webhook(webhook)) = (waiting.ask, &waiting.asked) else { return Ok(()) };
        let collected = state.collected().iter().map(|(name, value)| {
            let value = value.as_ref().and_then(|value| value.reveal().cloned());
            (name.clone(), value)
        });
        let question = StepQuestion {
            id: ask,
            client,
            url: webhook.url.clone(),
            timeout: Duration::from_millis(webhook.timeout_ms),
            session,
            menu: state.stack().last().copied(),
            call: state.call(),
            collected: collected.collect(),
        };
        let mut answer = self.webhooks.ask(&question).await;
        if answer.action.as_ref().is_some_and(|action| !action_faults(action, "").is_empty()) {
            answer = StepAnswer { outcome: WebhookOutcome::Failed, action: None, ..answer };
        }
        let outcome = answer.outcome.as_str();
        metrics::counter!(domain::metrics::IVR_WEBHOOKS, "outcome" => outcome).increment(1);
        let targets: Vec<MenuId> = targets(&answer);
        let now = self.runtime.clock.now();
        let command = |book| {
            let answer = answer.clone();
            Some(SessionCommand::WebhookAnswered { ask, answer, book, now })
        };
        self.command(session, client, cause, &targets, command).await?;
        self.order(session, client, cause).await
    }
}

fn targets(answer: &StepAnswer) -> Vec<MenuId> {
    let actions = answer.action.iter().flat_map(|action| action.all());
    actions
        .filter_map(|action| match action {
            domain::ivr::action::Action::Submenu { menu } => Some(*menu),
            _ => None,
        })
        .collect()
}

/// The session command that follows from an event of its call; `None` when none does.
fn command_of(
    news: &IvrNews,
    id: Uuid,
    waiting: Option<Uuid>,
    book: Arc<domain::ivr::book::Book>,
    now: Time,
) -> Option<SessionCommand> {
    Some(match news {
        IvrNews::Gathered { status, .. }
            if status.starts_with("call_hangup") || status.starts_with("cancelled") =>
        {
            return None; // the end of the call is told by itself, and what we broke off was followed by another
        }
        IvrNews::Gathered { ask, length: 0, status, .. } if status != "valid" && status != "invalid" => {
            SessionCommand::Silence { id, source: Source::Carrier { ask: *ask }, book, now }
        }
        IvrNews::Gathered { ask, digits, length, .. } => {
            let keyed = digits.clone().map_or(Keyed::Masked(*length), Keyed::Plain);
            SessionCommand::Input { id, keyed, whole: true, source: Source::Carrier { ask: *ask }, book, now }
        }
        IvrNews::Keyed { ask, digit } => {
            let key = digit.reveal().map(char::to_string).unwrap_or_default();
            let (keyed, source) = (Keyed::Plain(key.into()), Source::Carrier { ask: *ask });
            SessionCommand::Input { id, keyed, whole: true, source, book, now }
        }
        IvrNews::TransferConnected { ask } if waiting != Some(*ask) => {
            // another command transferred the call
            SessionCommand::CallEnded { id, by_caller: false, now }
        }
        IvrNews::TransferConnected { ask } => {
            SessionCommand::CallAnswered { id, ask: *ask, answer: Answered::Connected, book, now }
        }
        IvrNews::TransferFailed { ask } => {
            SessionCommand::CallAnswered { id, ask: *ask, answer: Answered::Failed, book, now }
        }
        IvrNews::OrderFailed { ask, gone } => {
            let answer = if *gone { Answered::Gone } else { Answered::Failed };
            SessionCommand::CallAnswered { id, ask: *ask, answer, book, now }
        }
        IvrNews::Ended { by_caller } => SessionCommand::CallEnded { id, by_caller: *by_caller, now },
    })
}
