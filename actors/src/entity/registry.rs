//! At most one live actor for each stream on this node: activated by its first message, passivated when idle,
//! replaced when it dies.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Arbiter, ArbiterHandle, Handler, MailboxError, Message};
use domain::aggregate::Aggregate;
use domain::envelope::{StreamId, Version};
use domain::ids::ClientId;
use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::shell::{Ask, Execute, LiveActor, RestIfIdle};
use crate::context::CommandContext;
use crate::runtime::{Runtime, TraceHooks};
use crate::session::{CommandError, Receipt};

const SHARDS: usize = 32;
/// How often a message is sent again because its actor stopped with the message in its mailbox.
const MAX_SENDS: u32 = 3;

/// How the registry keeps live actors.
#[derive(Debug, Clone, Copy)]
pub struct LiveOptions {
    /// Threads that run actors, at least one.
    pub arbiters: usize,
    /// An actor without a message for this long is passivated.
    pub idle_after: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self { arbiters: 2, idle_after: Duration::from_secs(60) }
    }
}

/// Called for every command that wrote something, once it is durable. It must not block.
pub type Observer<A> = Arc<dyn Fn(&Written<'_, A>) + Send + Sync>;

/// The events that one command wrote.
#[derive(Debug)]
pub struct Written<'a, A: Aggregate> {
    /// The id in the stream's name.
    pub id: Uuid,
    pub client: ClientId,
    /// The events, each with its id.
    pub facts: &'a [(Uuid, A::Event)],
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
        self.shards[at].lock()
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
            // the actor before it died without removing itself
            metrics::counter!(domain::metrics::ACTOR_RESTARTS, "kind" => A::CATEGORY).increment(1);
        }
        addr
    }

    fn all(&self) -> Vec<Addr<LiveActor<A>>> {
        let shards = self.shards.iter().map(|shard| shard.lock());
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

/// Sends commands to the actors of one kind of stream. The registry activates an actor on demand.
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
    /// Starts the registry and a task that passivates idle actors until `stop`. Must be called inside an actix system.
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

    /// Number of actors that are active on this node.
    #[must_use]
    pub fn live(&self) -> usize {
        self.registry.live.load(Ordering::Relaxed)
    }

    /// Passivates every actor once it has finished its current command. The next message reads the log anew.
    pub fn rest_all(&self) {
        let now = self.registry.runtime.clock.monotonic();
        for addr in self.registry.all() {
            addr.do_send(RestIfIdle { now, idle_after: Duration::ZERO });
        }
    }

    /// Carries a command out; `only_at` makes it conditional on the stream's version.
    pub async fn execute(
        &self,
        id: Uuid,
        command: A::Command,
        context: CommandContext,
        only_at: Option<Version>,
    ) -> Result<Receipt, CommandError<A::Refusal>> {
        self.send_command(id, command, context, only_at, false).await
    }

    /// Like [`execute`](Self::execute), for a stream whose id was made a moment ago: the stream is not
    /// read first. If it has events after all, the append conflicts, and the command is decided on them.
    /// Never fails with `VersionMismatch`.
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

    /// Answers a question about the state. With `newest`, events that other nodes wrote are read first; without, the
    /// state known on this node is used. The question also gets the stream's client, `None` before the stream exists.
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
                // the actor was passivated, or died, with the message in its mailbox: nothing
                // was done, activate another
                Err(MailboxError::Closed) => {}
                Err(MailboxError::Timeout) => break,
            }
        }
        Err(CommandError::Crashed)
    }
}

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
