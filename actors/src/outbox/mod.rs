//! The outbox: the process manager that turns events into effects and timers, and the workers that perform them.
//! One node runs all of it at a time, under a lease.

mod credit;
pub(crate) mod follow;
mod hosted;
mod lack;
mod meter;
mod ownership;
mod pending;
mod perform;
mod queue;
mod recordings;
mod retry;
pub(crate) mod time;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::ids::{CallId, ClientId};
use domain::ports::lease::{Lease, Leases};
use domain::ports::outbox::OutboxStore;
use domain::ports::telephony::Telephony;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use ownership::{Ownership, while_owner};
pub(crate) use perform::NextStep;
use queue::EffectQueue;
pub use recordings::RecordingDeps;
pub(crate) use recordings::pause as long_pause;
pub(crate) use retry::backoff;
use time::JobClock;
use timers::NextTimer;

use crate::billing::Billing;
use crate::call::Calls;
use crate::carrier::CarrierInbox;
use crate::conversation::Voice;
use crate::hosted::HostedDeps;
use crate::ivr::IvrDriver;
use crate::knowledge::KnowledgeDeps;
use crate::memory::MemoryService;
use crate::runtime::Runtime;
use crate::uploads::Uploads;

/// Name of the lease of the process manager, its outbox and its timers.
pub const JOB: &str = "work";

#[derive(Debug, Clone, Copy)]
pub struct OutboxOptions {
    /// Most effects performed at the same time.
    pub concurrency: usize,
    /// How long the lease lasts without being renewed: a dead owner is replaced after that time at the latest.
    pub lease_ttl: Duration,
}

impl Default for OutboxOptions {
    fn default() -> Self {
        Self { concurrency: 64, lease_ttl: Duration::from_secs(5) }
    }
}

/// The dependencies of the workers.
#[derive(Debug, Clone)]
pub struct OutboxDeps {
    pub runtime: Runtime,
    pub calls: Calls,
    /// Carries commands between calls and IVR sessions.
    pub ivr: IvrDriver,
    /// Connects agents with their calls.
    pub voice: Voice,
    /// Binds the legs of placed calls.
    pub inbox: CarrierInbox,
    pub telephony: Arc<dyn Telephony>,
    /// The hosted voice runtime; `None`: no agent can run there.
    pub hosted: Option<HostedDeps>,
    /// Stores recordings; `None` where they stay with the carrier.
    pub recordings: Option<RecordingDeps>,
    /// Reads and embeds documents; `None` where nobody may add any.
    pub knowledge: Option<KnowledgeDeps>,
    /// Removes uploaded files that nobody used.
    pub uploads: Uploads,
    /// Remembers what conversations showed of customers; `None` where nothing is remembered.
    pub memories: Option<MemoryService>,
    /// Charges calls and watches the credit of prepaid ones; `None`: nothing is charged.
    pub billing: Option<Billing>,
    pub store: Arc<dyn OutboxStore>,
    pub leases: Arc<dyn Leases>,
}

/// What the tasks of the node that holds the lease share.
struct Owned {
    deps: OutboxDeps,
    lease: Lease,
    time: JobClock,
    effects: EffectQueue,
    /// Wakes the task that performs effects.
    effects_changed: Notify,
    timers: NextTimer,
}

/// Performs effects and timers until `stop`, whenever this node holds the lease. Returns once everything that
/// was begun is finished.
pub async fn run(deps: OutboxDeps, options: OutboxOptions, stop: CancellationToken) {
    let ownership = Ownership {
        leases: deps.leases.clone(),
        clock: deps.runtime.clock.clone(),
        owner: deps.runtime.node.clone(),
        ttl: options.lease_ttl,
    };
    while_owner(&ownership, JOB, &stop, |lease, lease_lost| {
        let owned = Arc::new(Owned {
            lease,
            time: JobClock::new(deps.runtime.clock.clone()),
            effects: EffectQueue::new(deps.store.clone()),
            effects_changed: Notify::new(),
            timers: NextTimer::default(),
            deps: deps.clone(),
        });
        async move { work(&owned, options, &lease_lost).await }
    })
    .await;
}

async fn work(owned: &Arc<Owned>, options: OutboxOptions, lease_lost: &CancellationToken) {
    let tasks = TaskTracker::new();
    // effects that were settled before this node took over are not begun again
    let read = CancellationToken::new();
    tokio::join!(
        follow::follow(owned, &read, lease_lost),
        async {
            tokio::select! {
                () = read.cancelled() => {}
                () = lease_lost.cancelled() => return,
            }
            tokio::join!(
                perform::perform(owned, options.concurrency, &tasks, lease_lost),
                timers::fire(owned, lease_lost),
            );
        },
        meter::measure(owned, lease_lost),
    );
    tasks.close();
    tasks.wait().await;
    if let Err(error) = owned.effects.remove_finished().await {
        tracing::warn!(%error, "finished effects stay in the outbox; the next owner finds them finished");
    }
}

impl Owned {
    /// When the wall clock has jumped, moves the due times of everything by the same amount.
    async fn keep_up(&self) {
        let shift = async |by: TimeDelta| {
            self.deps.store.shift(&self.lease, by).await?;
            self.effects.shift(by);
            self.timers.look_again();
            Ok(())
        };
        if let Err(error) = self.time.keep_up(shift).await {
            tracing::warn!(%error, "the machine's clock was set, and due times cannot be moved yet");
        }
    }
}

/// The tag of a call's main leg.
fn main_tag(call: CallId, client: ClientId) -> domain::call::report::LegTag {
    domain::call::report::LegTag { client, call, role: domain::call::report::LegRole::Main }
}
