//! Seals history: one node follows the log, keeps the Merkle tree over it, and signs its head.
//!
//! Nothing waits for the sealer: it reads committed events, and may lag or die without any effect on appends.

mod accept;
mod follow;
mod health;
mod meter;
mod prove;
mod recheck;
mod sealed_log;
mod tell;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use domain::ids::ClientId;
use domain::ports::lease::Leases;
use domain::ports::seals::Witness;
use tokio_util::sync::CancellationToken;

pub use accept::{AcceptError, Accepting, Disagreement};
pub use health::HistoryHealth;
pub use prove::{ProveError, Prover};
pub use recheck::recheck;
pub use sealed_log::{SealedLog, Standing, Unsound};
pub use tree::{Damaged, restore};

use crate::outbox::{Ownership, while_owner};
use crate::runtime::Runtime;

/// Name of the sealer's lease.
pub const JOB: &str = "sealer";
/// Purpose of the secret that signs the heads of the log.
pub const KEY: &str = "log signing";

#[derive(Debug, Clone, Copy)]
pub struct SealOptions {
    /// Longest time an event waits for a head that covers it, apart from the time it takes to write one.
    pub every: Duration,
    /// How long the lease lasts without being renewed: a dead owner is replaced after that time at the latest.
    pub lease_ttl: Duration,
    /// Interval at which the newest head is written into the log itself, if events have come since.
    pub anchor_every: Duration,
    /// Longest time a stopping node may take to seal the last events.
    pub finish: Duration,
}

impl Default for SealOptions {
    fn default() -> Self {
        Self {
            every: Duration::from_millis(500),
            lease_ttl: Duration::from_secs(5),
            anchor_every: Duration::from_secs(3600),
            finish: Duration::from_secs(5),
        }
    }
}

/// The dependencies of the sealer.
#[derive(Debug, Clone)]
pub struct SealerDeps {
    pub runtime: Runtime,
    /// The log, its Merkle tree, the kept head and the signing key.
    pub sealed: SealedLog,
    /// Receives the faults that are found.
    pub health: Arc<HistoryHealth>,
    /// Client of the node's operator: heads are written into the log in its name.
    pub operator: ClientId,
    pub leases: Arc<dyn Leases>,
    /// External witnesses that get every signed head.
    pub witnesses: Vec<Arc<dyn Witness>>,
}

/// Seals history until `stop`, whenever this node holds the lease. Then this node seals the remaining events,
/// whichever node holds the lease: nothing else may be appended after `stop`.
pub async fn run(deps: SealerDeps, options: SealOptions, stop: CancellationToken) {
    let ownership = Ownership {
        leases: deps.leases.clone(),
        clock: deps.runtime.clock.clone(),
        owner: deps.runtime.node.clone(),
        ttl: options.lease_ttl,
    };
    let deps = Arc::new(deps);
    let last = deps.clone();
    while_owner(&ownership, JOB, &stop, |_, lease_lost| {
        let deps = deps.clone();
        async move {
            let (notes, heard) = tell::Notes::to(deps.witnesses.len());
            tokio::join!(
                async {
                    follow::follow(&deps, options, &notes, &lease_lost).await;
                    drop(notes);
                },
                tell::tell(&deps, heard, &lease_lost),
            );
        }
    })
    .await;
    match tokio::time::timeout(options.finish, follow::seal_rest(&last)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the last events are not sealed");
        }
        Err(_) => tracing::error!("the last events are not sealed: a store did not answer in time"),
    }
}
