//! Webhooks to clients: the process manager that derives deliveries from the log, and the dispatcher that makes
//! the attempts. One node owns both at a time, under a lease.
//!
//! Whatever waits is a row; only what is under way, and a little that is about to be, is in memory. Endpoints share
//! nothing but the limit on all attempts under way.

mod actor;
mod courier;
mod dispatch;
mod follow;
mod house;
mod lane;
mod target;

use std::sync::Arc;
use std::time::Duration;

use domain::ports::deliveries::DeliveryStore;
use domain::ports::lease::{Lease, Leases};
use domain::ports::webhooks::PublicEvents;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use courier::{Courier, NotMade};
pub use target::Target;

use crate::runtime::Runtime;
use crate::work::time::WorkTime;
use crate::work::{Ownership, while_owner};

/// The lease of the process manager and the dispatcher.
pub const JOB: &str = "webhooks";
/// Notices that may wait for the dispatcher.
const NEWS: usize = 64;

/// How deliveries are made.
#[derive(Debug, Clone, Copy)]
pub struct WebhookOptions {
    /// Attempts under way at the same time.
    pub concurrency: usize,
    /// Of them to one endpoint.
    pub per_endpoint: usize,
    /// Threads that run delivery actors, at least one.
    pub arbiters: usize,
    /// After so long of nothing but failure an endpoint is disabled.
    pub failing_for: Duration,
    /// How long the lease runs without being renewed: the longest a dead owner is missed.
    pub lease_ttl: Duration,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            concurrency: 512,
            per_endpoint: 64,
            arbiters: 2,
            failing_for: Duration::from_secs(5 * 24 * 3600),
            lease_ttl: Duration::from_secs(5),
        }
    }
}

/// What deliveries are made with.
#[derive(Debug, Clone)]
pub struct WebhookBench {
    /// The log, the time, who we are.
    pub runtime: Runtime,
    /// Says what is told of facts.
    pub public: Arc<dyn PublicEvents>,
    /// Where deliveries are kept.
    pub store: Arc<dyn DeliveryStore>,
    /// Who owns the job.
    pub leases: Arc<dyn Leases>,
    /// Makes attempts and records them.
    pub courier: Arc<Courier>,
}

/// Makes deliveries until `stop`, whenever this node owns the job. Call it on a thread of an actix system; what it
/// answers may run anywhere.
pub fn run(
    bench: WebhookBench,
    options: WebhookOptions,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let crew = actor::Crew::start(options.arbiters);
    own(bench, crew, options, stop)
}

async fn own(bench: WebhookBench, crew: actor::Crew, options: WebhookOptions, stop: CancellationToken) {
    let ownership = Ownership {
        leases: bench.leases.clone(),
        clock: bench.runtime.clock.clone(),
        owner: bench.runtime.node.clone(),
        ttl: options.lease_ttl,
    };
    while_owner(&ownership, JOB, &stop, |lease, mine| {
        let (bench, crew) = (bench.clone(), crew.clone());
        async move { work(&bench, crew, options, &lease, &mine).await }
    })
    .await;
    crew.stop();
}

async fn work(
    bench: &WebhookBench,
    crew: actor::Crew,
    options: WebhookOptions,
    lease: &Lease,
    mine: &CancellationToken,
) {
    let (news, heard) = mpsc::channel(NEWS);
    let time = WorkTime::new(bench.runtime.clock.clone());
    tokio::join!(
        follow::follow(bench, lease, &time, &news, mine),
        dispatch::dispatch(bench, crew, options, (lease, &time), heard, mine),
        house::keep(bench, &time, mine),
    );
}
