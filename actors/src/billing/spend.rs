//! Holds calls to the spend limits of their client, key and agent.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::{Time, Version};
use domain::ids::{AgentId, ApiKeyId, CallId, ClientId, SpendGuardId, SpendLimitsId};
use domain::phone::Party;
use domain::spend::{
    Attempt, Breach, GuardCommand, SpendGuard, SpendGuardEvent, SpendLimits, SpendLimitsCommand,
    SpendRefusal, SpendRules, SpendScope, target_of,
};
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::cover::MIN_HOLD;
use super::{Billing, CoverError, own_context};
use crate::context::{Appends, CommandContext};
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt, Session};

/// Clients whose limits are kept in memory. A guard of many calls takes some two megabytes.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);
/// How far limits that another node set may be behind.
const LIMITS_MAY_TRAIL: Duration = Duration::from_secs(1);
/// After so many events of its own a guard saves a snapshot, so that its next load folds little more than them.
const SNAPSHOT_EVERY: usize = 2_000;

/// Why a call is not admitted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpendError {
    #[error(transparent)]
    Reached(Breach),
    /// What the call costs by time cannot be told.
    #[error(transparent)]
    Price(#[from] CoverError),
    #[error("the spend limits cannot be read")]
    Limits(#[source] CommandError<SpendRefusal>),
    #[error("the spend guard cannot be read or written")]
    Guard(#[source] CommandError<Breach>),
}

/// A call that is to be placed or transferred.
#[derive(Debug, Clone)]
pub struct Dialled {
    pub call: CallId,
    /// The API key that asks for it; `None`: a person, or the node itself.
    pub key: Option<ApiKeyId>,
    pub agent: Option<AgentId>,
    pub to: Party,
}

/// The limits of a scope, and how far they are used.
#[derive(Debug, Clone)]
pub struct SpendStanding {
    pub limits: SpendLimits,
    /// What the calls of today (UTC) cost so far, with estimates of those that are not charged yet, in millionths.
    pub spent_today: i64,
    /// Calls that were admitted within the last minute.
    pub calls_within_a_minute: usize,
    /// Keys and agents that have limits of their own.
    pub others: Vec<SpendScope>,
    /// Version of the limits.
    pub version: Version,
}

/// The limits and the guards of the clients. Clones share them.
#[derive(Clone)]
pub struct SpendGuards {
    runtime: Runtime,
    /// Key of the hashes of who is called.
    secret: [u8; 32],
    kept: Arc<Mutex<LruCache<ClientId, Arc<tokio::sync::Mutex<Kept>>>>>,
}

impl fmt::Debug for SpendGuards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpendGuards").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Kept {
    rules: Session<SpendRules>,
    /// When the limits were read last; `None`: never.
    read_at: Option<Instant>,
    guard: Session<SpendGuard>,
    /// Events that the guard wrote since its last snapshot.
    since_snapshot: usize,
}

impl Kept {
    /// The limits, at most a second old.
    async fn rules(&mut self) -> Result<&SpendRules, SpendError> {
        let now = self.rules.runtime().clock.monotonic();
        if self.read_at.is_none_or(|at| now.saturating_duration_since(at) >= LIMITS_MAY_TRAIL) {
            self.rules.refresh().await.map_err(SpendError::Limits)?;
            self.read_at = Some(now);
        }
        Ok(self.rules.state())
    }

    /// Decides on the newest state. Answers the limit that is reached.
    async fn decide(
        &mut self,
        command: GuardCommand,
        context: &CommandContext,
    ) -> Result<Option<Breach>, SpendError> {
        // only what leads to an event is proven to be decided on the newest state
        self.guard.refresh().await.map_err(SpendError::Guard)?;
        match self.guard.execute(&command, context, None).await {
            Ok(_) => {}
            Err(CommandError::Refused(breach)) => return Ok(Some(breach)),
            Err(error) => return Err(SpendError::Guard(error)),
        }
        self.since_snapshot += self.guard.written().len();
        if self.since_snapshot >= SNAPSHOT_EVERY {
            self.guard.keep_snapshot();
            self.since_snapshot = 0;
        }
        Ok(self.guard.written().iter().find_map(|(_, event)| match event {
            SpendGuardEvent::Reached(reached) => Some(reached.breach),
            _ => None,
        }))
    }
}

impl SpendGuards {
    /// Nodes of one installation must have the same `secret`.
    #[must_use]
    pub fn new(runtime: Runtime, secret: [u8; 32]) -> Self {
        Self { runtime, secret, kept: Arc::new(Mutex::new(LruCache::new(KEPT))) }
    }

    fn of(&self, client: ClientId) -> Arc<tokio::sync::Mutex<Kept>> {
        let new = || {
            let rules = Session::new(self.runtime.clone(), SpendLimitsId::of(client).stream());
            let guard = Session::new(self.runtime.clone(), SpendGuardId::of(client).stream());
            Arc::new(tokio::sync::Mutex::new(Kept { rules, read_at: None, guard, since_snapshot: 0 }))
        };
        self.kept.lock().get_or_insert(client, new).clone()
    }

    /// Keyed hash of whom a call goes to.
    fn hash(&self, client: ClientId, to: &Party) -> u32 {
        let hash = Sha256::new().chain_update(self.secret).chain_update(client.0).chain_update(target_of(to));
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        u32::from_be_bytes([a, b, c, d])
    }

    /// The limits of a scope of a client, and how far they are used. Fails when the log cannot be read.
    pub async fn standing(&self, client: ClientId, scope: SpendScope) -> Result<SpendStanding, SpendError> {
        let (kept, now) = (self.of(client), self.runtime.clock.now());
        let mut kept = kept.lock().await;
        kept.read_at = None;
        let rules = kept.rules().await?;
        let (limits, others) =
            (rules.of(scope), rules.scopes().filter(|of| *of != SpendScope::Client).collect());
        let version = kept.rules.version();
        kept.guard.refresh().await.map_err(SpendError::Guard)?;
        let guard = kept.guard.state();
        let (spent_today, calls_within_a_minute) =
            (guard.spent(scope, now), guard.calls_within_a_minute(scope, now));
        Ok(SpendStanding { limits, spent_today, calls_within_a_minute, others, version })
    }

    /// Changes limits, which hold on this node at once and on others within a second. `only_at` makes it conditional on
    /// the version of the limits.
    pub async fn change(
        &self,
        command: SpendLimitsCommand,
        context: &CommandContext,
        only_at: Option<Version>,
    ) -> Result<Receipt, CommandError<SpendRefusal>> {
        let kept = self.of(context.client);
        let mut kept = kept.lock().await;
        kept.rules.execute(&command, context, only_at).await
    }

    /// Notes what a call that `ended` then was charged in all, if its client has limits.
    pub async fn charged(
        &self,
        client: ClientId,
        call: CallId,
        agent: Option<AgentId>,
        amount: i64,
        ended: Time,
    ) -> Result<(), SpendError> {
        let now = self.runtime.clock.now();
        self.note(client, GuardCommand::Charge { call, agent, amount, ended, now }).await
    }

    /// A call that was admitted is not placed after all.
    pub async fn forgone(&self, client: ClientId, call: CallId) -> Result<(), SpendError> {
        let now = self.runtime.clock.now();
        self.note(client, GuardCommand::Forgo { call, now }).await
    }

    async fn note(&self, client: ClientId, command: GuardCommand) -> Result<(), SpendError> {
        let kept = self.of(client);
        let mut kept = kept.lock().await;
        if kept.rules().await?.is_empty() {
            return Ok(());
        }
        kept.decide(command, &own_context(&self.runtime, client)).await.map(drop)
    }
}

impl Billing {
    /// Admits a call that is about to be placed. Once for each call, however often it is asked.
    pub async fn admit(
        &self,
        dialled: Dialled,
        provider: &str,
        context: &CommandContext,
    ) -> Result<(), SpendError> {
        self.judge(dialled, Attempted::Placed(provider), context).await
    }

    /// Whether a call under way may be transferred, by what is known now: the command for the carrier is asked for again.
    pub async fn may_transfer(&self, dialled: Dialled, context: &CommandContext) -> Result<(), SpendError> {
        self.judge(dialled, Attempted::Transferred(None), context).await
    }

    /// Whether the carrier may get the command `effect` to transfer a call. The answer to one command stays the same.
    pub(crate) async fn admit_transfer(
        &self,
        client: ClientId,
        dialled: Dialled,
        effect: Uuid,
    ) -> Result<(), SpendError> {
        let context = own_context(&self.runtime, client);
        self.judge(dialled, Attempted::Transferred(Some(effect)), &context).await
    }

    /// Holds a call against the limits.
    async fn judge(
        &self,
        dialled: Dialled,
        attempted: Attempted<'_>,
        context: &CommandContext,
    ) -> Result<(), SpendError> {
        let (client, now) = (context.client, self.runtime.clock.now());
        let kept = self.guards.of(client);
        let mut kept = kept.lock().await;
        if kept.rules().await?.is_empty() {
            return Ok(());
        }
        let Dialled { call, mut key, mut agent, to } = dialled;
        if let Attempted::Transferred(_) = attempted {
            // the limits of who placed the call hold for where it goes
            kept.guard.refresh().await.map_err(SpendError::Guard)?;
            let (placed_by, placed_for) = kept.guard.state().counts_for(call);
            (key, agent) = (key.or(placed_by), agent.or(placed_for));
        }
        let limits = kept.rules.state().for_call(key, agent);
        if limits.is_empty() {
            return Ok(());
        }
        let (rate_per_minute, estimate) = match attempted {
            Attempted::Placed(provider) => {
                let minute = self.estimate(client, provider, Duration::from_secs(60)).await?.1;
                (minute, self.estimate(client, provider, self.options.hold_for.max(MIN_HOLD)).await?.1)
            }
            Attempted::Transferred(_) => (0, 0),
        };
        let to_hash = self.guards.hash(client, &to);
        let attempt = Attempt { call, key, agent, to, to_hash, rate_per_minute, estimate };
        let command = match attempted {
            Attempted::Placed(_) => GuardCommand::Admit { attempt, limits, now },
            Attempted::Transferred(effect) => GuardCommand::Transfer { attempt, effect, limits, now },
        };
        // what the guard writes is no part of the request's own outcome
        let context = CommandContext { appends: Appends::default(), ..context.clone() };
        let Some(breach) = kept.decide(command, &context).await? else { return Ok(()) };
        metrics::counter!(domain::metrics::SPEND_LIMITS_REACHED, "limit" => breach.limit.as_str())
            .increment(1);
        Err(SpendError::Reached(breach))
    }
}

/// What is to be done with a call.
#[derive(Clone, Copy)]
enum Attempted<'p> {
    /// It is placed with this provider.
    Placed(&'p str),
    /// It is transferred, by this command of the carrier if it is that far.
    Transferred(Option<Uuid>),
}
