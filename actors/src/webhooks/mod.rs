//! Webhooks to clients: the process manager that derives deliveries from the log, and the dispatcher that makes
//! the attempts. One node runs both at a time, under a lease.
//!
//! Every waiting delivery is a row; memory holds only attempts under way and a few that are about to begin.
//! Endpoints share nothing but the limit on concurrent attempts.

mod actor;
mod dispatch;
mod follow;
mod sender;
mod stats;
mod target;
mod throttle;

use std::sync::Arc;
use std::time::Duration;

use domain::ports::deliveries::DeliveryStore;
use domain::ports::lease::{Lease, Leases};
use domain::ports::webhooks::PublicEvents;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use sender::{DeliverySender, NotMade};
pub use target::Target;

use crate::outbox::time::JobClock;
use crate::outbox::{Ownership, while_owner};
use crate::runtime::Runtime;

/// Name of the lease of the process manager and the dispatcher.
pub const JOB: &str = "webhooks";
/// Messages that may wait for the dispatcher.
const NEWS: usize = 64;

#[derive(Debug, Clone, Copy)]
pub struct WebhookOptions {
    /// Most attempts under way at the same time.
    pub concurrency: usize,
    /// Most attempts under way to one endpoint.
    pub per_endpoint: usize,
    /// Threads that run delivery actors, at least one.
    pub arbiters: usize,
    /// An endpoint that has only failed for this long is disabled.
    pub failing_for: Duration,
    /// How long the lease lasts without being renewed: a dead owner is replaced after that time at the latest.
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

/// The dependencies of webhook delivery.
#[derive(Debug, Clone)]
pub struct DeliveryDeps {
    pub runtime: Runtime,
    /// Derives public events from recorded events.
    pub public: Arc<dyn PublicEvents>,
    pub store: Arc<dyn DeliveryStore>,
    pub leases: Arc<dyn Leases>,
    /// Sends attempts and records them.
    pub delivery_sender: Arc<DeliverySender>,
}

/// Makes deliveries until `stop`, whenever this node holds the lease. Call it on a thread of an actix system; the
/// returned future may run on any thread.
pub fn run(
    deps: DeliveryDeps,
    options: WebhookOptions,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let workers = actor::WorkerPool::start(options.arbiters);
    own(deps, workers, options, stop)
}

async fn own(
    deps: DeliveryDeps,
    workers: actor::WorkerPool,
    options: WebhookOptions,
    stop: CancellationToken,
) {
    let ownership = Ownership {
        leases: deps.leases.clone(),
        clock: deps.runtime.clock.clone(),
        owner: deps.runtime.node.clone(),
        ttl: options.lease_ttl,
    };
    while_owner(&ownership, JOB, &stop, |lease, lease_lost| {
        let (deps, workers) = (deps.clone(), workers.clone());
        async move { work(&deps, workers, options, &lease, &lease_lost).await }
    })
    .await;
    workers.stop();
}

async fn work(
    deps: &DeliveryDeps,
    workers: actor::WorkerPool,
    options: WebhookOptions,
    lease: &Lease,
    lease_lost: &CancellationToken,
) {
    let (news, heard) = mpsc::channel(NEWS);
    let time = JobClock::new(deps.runtime.clock.clone());
    tokio::join!(
        follow::follow(deps, lease, &time, &news, lease_lost),
        dispatch::dispatch(deps, workers, options, (lease, &time), heard, lease_lost),
        stats::keep(deps, &time, lease_lost),
    );
}
