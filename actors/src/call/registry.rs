//! One live actor a call on this node: woken by its first message, rested when idle, replaced when it dies.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Arbiter, ArbiterHandle, Handler, MailboxError, Message};
use domain::call::{Call, CallCommand, Outgoing};
use domain::envelope::Version;
use domain::ids::CallId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::shell::{CallActor, CallError, Execute, Inspect, Prepare, RestIfIdle};
use crate::context::CommandContext;
use crate::runtime::{Runtime, TraceHooks};
use crate::session::{CommandError, Receipt};

const SHARDS: usize = 32;
/// How often a message is sent anew because its actor stopped with it in the mailbox.
const MAX_SENDS: u32 = 3;

/// How live calls are kept.
#[derive(Debug, Clone, Copy)]
pub struct CallsOptions {
    /// Threads that run actors, at least one.
    pub arbiters: usize,
    /// An actor without a message for this long is rested.
    pub idle_after: Duration,
}

impl Default for CallsOptions {
    fn default() -> Self {
        Self { arbiters: 2, idle_after: Duration::from_secs(60) }
    }
}

#[derive(Debug)]
struct Live {
    incarnation: u64,
    addr: Addr<CallActor>,
}

/// The actors of this node, by call.
#[derive(Debug)]
pub(super) struct Registry {
    runtime: Runtime,
    options: CallsOptions,
    arbiters: Vec<ArbiterHandle>,
    shards: Vec<Mutex<HashMap<CallId, Live>>>,
    hasher: RandomState,
    incarnations: AtomicU64,
    live: AtomicUsize,
    waiting: AtomicUsize,
}

impl Registry {
    pub(super) fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    pub(super) fn trace(&self) -> TraceHooks {
        self.runtime.trace
    }

    fn shard(&self, id: CallId) -> MutexGuard<'_, HashMap<CallId, Live>> {
        let at = self.hasher.hash_one(id) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, id: CallId, incarnation: u64) {
        if let Entry::Occupied(entry) = self.shard(id).entry(id)
            && entry.get().incarnation == incarnation
        {
            entry.remove();
            self.count(self.live.fetch_sub(1, Ordering::Relaxed) - 1);
        }
    }

    fn count(&self, live: usize) {
        metrics::gauge!("voxledger_live_actors", "kind" => "call").set(live as f64);
    }

    fn wake(self: &Arc<Self>, id: CallId) -> Addr<CallActor> {
        let mut shard = self.shard(id);
        if let Some(live) = shard.get(&id).filter(|live| live.addr.connected()) {
            return live.addr.clone();
        }
        let incarnation = self.incarnations.fetch_add(1, Ordering::Relaxed);
        let actor = CallActor::new(id, incarnation, self.clone(), self.runtime.clone());
        let arbiter = &self.arbiters[incarnation as usize % self.arbiters.len()];
        let addr = CallActor::start_in_arbiter(arbiter, move |_| actor);
        if shard.insert(id, Live { incarnation, addr: addr.clone() }).is_none() {
            self.count(self.live.fetch_add(1, Ordering::Relaxed) + 1);
        } else {
            // the one before is gone without a farewell
            metrics::counter!("voxledger_actor_restarts_total", "kind" => "call").increment(1);
        }
        addr
    }

    fn all(&self) -> Vec<Addr<CallActor>> {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.flat_map(|shard| shard.values().map(|live| live.addr.clone()).collect::<Vec<_>>()).collect()
    }
}

/// Counts a message while it waits for its answer.
struct Waiting<'a>(&'a Registry);

impl<'a> Waiting<'a> {
    fn begin(registry: &'a Registry) -> Self {
        let waiting = registry.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::gauge!("voxledger_mailbox_depth", "kind" => "call").set(waiting as f64);
        Self(registry)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waiting = self.0.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
        metrics::gauge!("voxledger_mailbox_depth", "kind" => "call").set(waiting as f64);
    }
}

/// The handle others hold: send a command to a call, whether or not it is awake.
#[derive(Debug, Clone)]
pub struct Calls {
    registry: Arc<Registry>,
}

impl Calls {
    /// Starts the registry, and a task that rests idle actors until `stop`. Call it inside an actix system.
    #[must_use]
    pub fn start(runtime: Runtime, options: CallsOptions, stop: CancellationToken) -> Self {
        let arbiters = (0..options.arbiters.max(1)).map(|_| Arbiter::new().handle()).collect();
        let registry = Arc::new(Registry {
            runtime,
            options,
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

    /// How many calls are awake on this node.
    #[must_use]
    pub fn live(&self) -> usize {
        self.registry.live.load(Ordering::Relaxed)
    }

    /// Carries a command out; `only_at` makes it conditional on the call's version.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn execute(
        &self,
        id: CallId,
        command: CallCommand,
        context: CommandContext,
        only_at: Option<Version>,
    ) -> Result<Receipt, CallError> {
        self.send(id, || Execute {
            command: command.clone(),
            context: context.clone(),
            only_at,
            span: tracing::Span::current(),
        })
        .await?
    }

    /// What the carrier is to be told for an effect; `None` when it is settled.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn prepare(&self, id: CallId, effect_id: Uuid) -> Result<Option<Outgoing>, CallError> {
        self.send(id, || Prepare(effect_id)).await?
    }

    /// The call's newest state.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn inspect(&self, id: CallId) -> Result<Call, CallError> {
        self.send(id, || Inspect).await?
    }

    async fn send<M>(&self, id: CallId, message: impl Fn() -> M) -> Result<M::Result, CallError>
    where
        CallActor: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        <CallActor as Actor>::Context: ToEnvelope<CallActor, M>,
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

async fn rest_idle_actors(registry: Arc<Registry>, stop: CancellationToken) {
    let idle_after = registry.options.idle_after;
    loop {
        let clock = &registry.runtime.clock;
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(clock.now() + idle_after / 2) => {}
        }
        let now = clock.now();
        for addr in registry.all() {
            // a full mailbox is not idle
            let _ = addr.try_send(RestIfIdle { now, idle_after });
        }
    }
}
