//! The outbox: the process manager that turns events into effects and timers, and the workers that perform them.
//! One node runs all of it at a time, under a lease.

pub(crate) mod follow;
mod meter;
mod ownership;
mod perform;
mod retry;
pub(crate) mod time;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::envelope::Time;
use domain::ids::{CallId, ClientId};
use domain::ports::lease::{Lease, Leases};
use domain::ports::outbox::OutboxStore;
use domain::ports::telephony::Telephony;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use ownership::{Ownership, while_owner};
use time::JobClock;

use crate::call::Calls;
use crate::carrier::CarrierInbox;
use crate::conversation::Voice;
use crate::ivr::IvrDriver;
use crate::runtime::Runtime;

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
    pub store: Arc<dyn OutboxStore>,
    pub leases: Arc<dyn Leases>,
}

impl OutboxDeps {
    /// Until when a worker that saw everything due at `seen` may sleep: until the next due time, at most `longest`
    /// after `seen`. What was due before is in progress, or was just tried.
    async fn sleep_limit(&self, seen: Time, longest: Duration) -> Time {
        let next = self.store.next_due().await.ok().flatten();
        next.filter(|&due| due > seen).map_or(seen + longest, |due| due.min(seen + longest))
    }
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
    let deps = Arc::new(deps);
    while_owner(&ownership, JOB, &stop, |lease, mine| {
        let deps = deps.clone();
        async move { work(&deps, options, &lease, &mine).await }
    })
    .await;
}

async fn work(deps: &Arc<OutboxDeps>, options: OutboxOptions, lease: &Lease, mine: &CancellationToken) {
    let news = Arc::new(Notify::new());
    let tasks = TaskTracker::new();
    // effects that were settled before this node took over are not begun again
    let read = CancellationToken::new();
    let time = Arc::new(JobClock::new(deps.runtime.clock.clone()));
    tokio::join!(
        follow::follow(deps, lease, &time, &news, &read, mine),
        async {
            tokio::select! {
                () = read.cancelled() => {}
                () = mine.cancelled() => return,
            }
            tokio::join!(
                perform::perform(deps, options.concurrency, &time, &news, &tasks, mine),
                timers::fire(deps, lease, &time, &news, mine),
            );
        },
        meter::measure(deps, &time, mine),
    );
    tasks.close();
    tasks.wait().await;
}

/// When the wall clock has jumped, moves the due times of all rows by the same amount.
async fn keep_up(deps: &OutboxDeps, lease: &Lease, time: &JobClock) {
    let shift = |by: TimeDelta| deps.store.shift(lease, by);
    if let Err(error) = time.keep_up(shift).await {
        tracing::warn!(%error, "the machine's clock was set, and due times cannot be moved yet");
    }
}

/// The tag of a call's main leg.
fn main_tag(call: CallId, client: ClientId) -> domain::call::report::LegTag {
    domain::call::report::LegTag { client, call, role: domain::call::report::LegRole::Main }
}
