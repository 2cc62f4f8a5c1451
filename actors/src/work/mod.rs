//! From facts to deeds: the process manager that reads the log and keeps the outbox and the timers, and the
//! workers that perform them. One node owns all of it at a time, under a lease.

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
use domain::ports::telephony::Telephony;
use domain::ports::work::WorkStore;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use ownership::{Ownership, while_owner};
use time::WorkTime;

use crate::call::Calls;
use crate::carrier::CarrierInbox;
use crate::conversation::Voice;
use crate::ivr::IvrDriver;
use crate::runtime::Runtime;

/// The lease of the process manager, its outbox and its timers.
pub const JOB: &str = "work";

/// How work is done.
#[derive(Debug, Clone, Copy)]
pub struct WorkOptions {
    /// Effects performed at the same time.
    pub concurrency: usize,
    /// How long the lease runs without being renewed: the longest a dead owner is missed.
    pub lease_ttl: Duration,
}

impl Default for WorkOptions {
    fn default() -> Self {
        Self { concurrency: 64, lease_ttl: Duration::from_secs(5) }
    }
}

/// What the workers work with.
#[derive(Debug, Clone)]
pub struct Workbench {
    /// The log, the time, who we are.
    pub runtime: Runtime,
    /// Live calls.
    pub calls: Calls,
    /// What happens between calls and the sessions in the menus.
    pub ivr: IvrDriver,
    /// Agents on calls.
    pub voice: Voice,
    /// Where legs of placed calls are bound.
    pub inbox: CarrierInbox,
    /// The carrier.
    pub telephony: Arc<dyn Telephony>,
    /// The outbox and the timers.
    pub store: Arc<dyn WorkStore>,
    /// Who owns the job.
    pub leases: Arc<dyn Leases>,
}

impl Workbench {
    /// Until when a worker that has seen all that was due at `seen` may sleep: the next thing due, at most
    /// `longest` from then. What was due before is in progress, or was tried just now.
    async fn sleep_limit(&self, seen: Time, longest: Duration) -> Time {
        let next = self.store.next_due().await.ok().flatten();
        next.filter(|&due| due > seen).map_or(seen + longest, |due| due.min(seen + longest))
    }
}

/// Does the work until `stop`, whenever this node owns the job. Returns once what was begun is finished.
pub async fn run(bench: Workbench, options: WorkOptions, stop: CancellationToken) {
    let ownership = Ownership {
        leases: bench.leases.clone(),
        clock: bench.runtime.clock.clone(),
        owner: bench.runtime.node.clone(),
        ttl: options.lease_ttl,
    };
    let bench = Arc::new(bench);
    while_owner(&ownership, JOB, &stop, |lease, mine| {
        let bench = bench.clone();
        async move { work(&bench, options, &lease, &mine).await }
    })
    .await;
}

async fn work(bench: &Arc<Workbench>, options: WorkOptions, lease: &Lease, mine: &CancellationToken) {
    let news = Arc::new(Notify::new());
    let tasks = TaskTracker::new();
    // what was settled before this node took over is not begun again
    let read = CancellationToken::new();
    let time = Arc::new(WorkTime::new(bench.runtime.clock.clone()));
    tokio::join!(
        follow::follow(bench, lease, &time, &news, &read, mine),
        async {
            tokio::select! {
                () = read.cancelled() => {}
                () = mine.cancelled() => return,
            }
            tokio::join!(
                perform::perform(bench, options.concurrency, &time, &news, &tasks, mine),
                timers::fire(bench, lease, &time, &news, mine),
            );
        },
        meter::measure(bench, &time, mine),
    );
    tasks.close();
    tasks.wait().await;
}

/// Moves what is still to be done with the wall clock, if that has jumped.
async fn keep_up(bench: &Workbench, lease: &Lease, time: &WorkTime) {
    let shift = |by: TimeDelta| bench.store.shift(lease, by);
    if let Err(error) = time.keep_up(shift).await {
        tracing::warn!(%error, "the machine's clock was set, and due times cannot be moved yet");
    }
}

/// The tag a call's main leg carries.
fn main_tag(call: CallId, client: ClientId) -> domain::call::report::LegTag {
    domain::call::report::LegTag { client, call, role: domain::call::report::LegRole::Main }
}
