//! One live actor a stream on this node: woken by its first message, rested when idle, replaced when it dies.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Arbiter, ArbiterHandle, Handler, MailboxError, Message};
use domain::aggregate::Aggregate;
use domain::envelope::{StreamId, Version};
use domain::ids::ClientId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::shell::{Ask, Execute, LiveActor, RestIfIdle};
use crate::context::CommandContext;
use crate::runtime::{Runtime, TraceHooks};
use crate::session::{CommandError, Receipt};

const SHARDS: usize = 32;
/// How often a message is sent anew because its actor stopped with it in the mailbox.
const MAX_SENDS: u32 = 3;

/// How live actors are kept.
#[derive(Debug, Clone, Copy)]
pub struct LiveOptions {
    /// Threads that run actors, at least one.
    pub arbiters: usize,
    /// An actor without a message for this long is rested.
    pub idle_after: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self { arbiters: 2, idle_after: Duration::from_secs(60) }
    }
}

/// Hears of every command that wrote something, once it is durable; it must not block.
pub type Observer<A> = Arc<dyn Fn(&Written<'_, A>) + Send + Sync>;

/// What a command wrote.
#[derive(Debug)]
pub struct Written<'a, A: Aggregate> {
    /// The id in the stream's name.
    pub id: Uuid,
    /// Whose stream it is.
    pub client: ClientId,
    /// The facts, each under the id of its event.
    pub facts: &'a [(Uuid, A::Event)],
    /// The circumstances of the command.
    pub context: &'a CommandContext,
}

#[derive(Debug)]
struct Live<A: Aggregate> {
    incarnation: u64,
    addr: Addr<LiveActor<A>>,
}

/// The actors of this node, by the id of their stream.
pub(super) struct Registry<A: Aggregate> {
    runtime: Runtime,
    options: LiveOptions,
    pub(super) observer: Option<Observer<A>>,
    arbiters: Vec<ArbiterHandle>,
    shards: Vec<Mutex<HashMap<Uuid, Live<A>>>>,
    hasher: RandomState,
    incarnations: AtomicU64,
    live: AtomicUsize,
    waiting: AtomicUsize,
}

impl<A: Aggregate> std::fmt::Debug for Registry<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("of", &A::CATEGORY)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<A: Aggregate> Registry<A> {
    pub(super) fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    pub(super) fn trace(&self) -> TraceHooks {
        self.runtime.trace
    }

    fn shard(&self, id: Uuid) -> MutexGuard<'_, HashMap<Uuid, Live<A>>> {
        let at = self.hasher.hash_one(id) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, id: Uuid, incarnation: u64) {
        if let Entry::Occupied(entry) = self.shard(id).entry(id)
            && entry.get().incarnation == incarnation
        {
            entry.remove();
            self.count(self.live.fetch_sub(1, Ordering::Relaxed) - 1);
        }
    }

    fn count(&self, live: usize) {
        metrics::gauge!(domain::metrics::LIVE_ACTORS, "kind" => A::CATEGORY).set(live as f64);
    }

    fn wake(self: &Arc<Self>, id: Uuid) -> Addr<LiveActor<A>> {
        let mut shard = self.shard(id);
        if let Some(live) = shard.get(&id).filter(|live| live.addr.connected()) {
            return live.addr.clone();
        }
        let incarnation = self.incarnations.fetch_add(1, Ordering::Relaxed);
        let actor = LiveActor::<A>::new(id, incarnation, self.clone(), self.runtime.clone());
        let arbiter = &self.arbiters[incarnation as usize % self.arbiters.len()];
        let addr = LiveActor::start_in_arbiter(arbiter, move |_| actor);
        if shard.insert(id, Live { incarnation, addr: addr.clone() }).is_none() {
            self.count(self.live.fetch_add(1, Ordering::Relaxed) + 1);
        } else {
            // the one before is gone without a farewell
            metrics::counter!(domain::metrics::ACTOR_RESTARTS, "kind" => A::CATEGORY).increment(1);
        }
        addr
    }

    fn all(&self) -> Vec<Addr<LiveActor<A>>> {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.flat_map(|shard| shard.values().map(|live| live.addr.clone()).collect::<Vec<_>>()).collect()
    }
}

/// Counts a message while it waits for its answer.
struct Waiting<'a, A: Aggregate>(&'a Registry<A>);

impl<'a, A: Aggregate> Waiting<'a, A> {
    fn begin(registry: &'a Registry<A>) -> Self {
        let waiting = registry.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::gauge!(domain::metrics::MAILBOX_DEPTH, "kind" => A::CATEGORY).set(waiting as f64);
        Self(registry)
    }
}

impl<A: Aggregate> Drop for Waiting<'_, A> {
    fn drop(&mut self) {
        let waiting = self.0.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
        metrics::gauge!(domain::metrics::MAILBOX_DEPTH, "kind" => A::CATEGORY).set(waiting as f64);
    }
}

/// The handle others hold: send a command to a stream's actor, whether or not it is awake.
pub struct Actors<A: Aggregate> {
    registry: Arc<Registry<A>>,
}

impl<A: Aggregate> Clone for Actors<A> {
    fn clone(&self) -> Self {
        Self { registry: self.registry.clone() }
    }
}

impl<A: Aggregate> std::fmt::Debug for Actors<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.registry.fmt(f)
    }
}

impl<A: Aggregate> Actors<A> {
    /// Starts the registry, and a task that rests idle actors until `stop`. Call it inside an actix system.
    #[must_use]
    pub fn start(
        runtime: Runtime,
        options: LiveOptions,
        observer: Option<Observer<A>>,
        stop: CancellationToken,
    ) -> Self {
        let arbiters = (0..options.arbiters.max(1)).map(|_| Arbiter::new().handle()).collect();
        let registry = Arc::new(Registry {
            runtime,
            options,
            observer,
            arbiters,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            incarnations: AtomicU64::new(0),
            live: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        });
        tokio::spawn(rest_idle_actors(registry.clone(), stop));
        Self { registry }
    }

    /// How many are awake on this node.
    #[must_use]
    pub fn live(&self) -> usize {
        self.registry.live.load(Ordering::Relaxed)
    }

    /// Lets every actor rest once it has done what it is at: whoever is asked next reads the log anew.
    pub fn rest_all(&self) {
        let now = self.registry.runtime.clock.monotonic();
        for addr in self.registry.all() {
            addr.do_send(RestIfIdle { now, idle_after: Duration::ZERO });
        }
    }

    /// Carries a command out; `only_at` makes it conditional on the stream's version.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn execute(
        &self,
        id: Uuid,
        command: A::Command,
        context: CommandContext,
        only_at: Option<Version>,
    ) -> Result<Receipt, CommandError<A::Refusal>> {
        self.send_command(id, command, context, only_at, false).await
    }

    /// The same to a stream whose id was made a moment ago: its log is not read first. Should somebody have written to
    /// it after all, the append finds out, and the command is decided on what is there.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), but for `VersionMismatch`: no version is asked for.
    pub async fn execute_on_new(
        &self,
        id: Uuid,
        command: A::Command,
        context: CommandContext,
    ) -> Result<Receipt, CommandError<A::Refusal>> {
        self.send_command(id, command, context, None, true).await
    }

    async fn send_command(
        &self,
        id: Uuid,
        command: A::Command,
        context: CommandContext,
        only_at: Option<Version>,
        new: bool,
    ) -> Result<Receipt, CommandError<A::Refusal>> {
        self.send(id, || Execute {
            command: command.clone(),
            context: context.clone(),
            only_at,
            new,
            span: tracing::Span::current(),
        })
        .await?
    }

    /// Looks at the state. With `newest` what others wrote meanwhile is read first; without, what is known here will
    /// do. The question also gets the client, once the stream exists.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn ask<R: Send + 'static>(
        &self,
        id: Uuid,
        newest: bool,
        question: impl Fn(&A, Option<ClientId>) -> R + Clone + Send + 'static,
    ) -> Result<R, CommandError<A::Refusal>> {
        self.send(id, || Ask { newest, question: Box::new(question.clone()) }).await?
    }

    async fn send<M>(&self, id: Uuid, message: impl Fn() -> M) -> Result<M::Result, CommandError<A::Refusal>>
    where
        LiveActor<A>: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        <LiveActor<A> as Actor>::Context: ToEnvelope<LiveActor<A>, M>,
    {
        let _waiting = Waiting::begin(&self.registry);
        for _ in 0..MAX_SENDS {
            match self.registry.wake(id).send(message()).await {
                Ok(answer) => return Ok(answer),
                // it went to rest, or died, with our message in the mailbox: nothing was lost, wake another
                Err(MailboxError::Closed) => {}
                Err(MailboxError::Timeout) => break,
            }
        }
        Err(CommandError::Crashed)
    }
}

/// The stream of an aggregate's.
pub(super) fn stream_of<A: Aggregate>(id: Uuid) -> StreamId {
    StreamId::new(A::CATEGORY, id)
}

async fn rest_idle_actors<A: Aggregate>(registry: Arc<Registry<A>>, stop: CancellationToken) {
    let idle_after = registry.options.idle_after;
    loop {
        let clock = &registry.runtime.clock;
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(idle_after / 2) => {}
        }
        let now = clock.monotonic();
        for addr in registry.all() {
            // a full mailbox is not idle
            let _ = addr.try_send(RestIfIdle { now, idle_after });
        }
    }
}
