//! Sealing history: one node follows the log, keeps the Merkle tree over it, and signs its head.
//!
//! Nobody waits for the sealer: it reads what is committed, and may lag or die without an append noticing.

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

use crate::runtime::Runtime;
use crate::work::{Ownership, while_owner};

/// The lease of the sealer.
pub const JOB: &str = "sealer";
/// The purpose of the secret that log heads are signed with.
pub const KEY: &str = "log signing";

/// How history is sealed.
#[derive(Debug, Clone, Copy)]
pub struct SealOptions {
    /// The longest an event waits for a head that covers it, but for the time it takes to write one.
    pub every: Duration,
    /// How long the lease runs without being renewed: the longest a dead owner is missed.
    pub lease_ttl: Duration,
    /// How often the newest head is written into the log itself, if anything has come since.
    pub anchor_every: Duration,
    /// How long a node that stops may take to seal the last events.
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

/// What history is sealed with.
#[derive(Debug, Clone)]
pub struct SealBench {
    /// The time, new ids, who we are.
    pub runtime: Runtime,
    /// The log, its tree, the kept head and the key.
    pub sealed: SealedLog,
    /// What is known to be wrong with them.
    pub health: Arc<HistoryHealth>,
    /// In whose name heads are written into the log: the client of whoever runs the installation.
    pub operator: ClientId,
    /// Who owns the job.
    pub leases: Arc<dyn Leases>,
    /// Who is told of every head.
    pub witnesses: Vec<Arc<dyn Witness>>,
}

/// Seals history until `stop`, whenever this node owns the job; then, whoever owns it, seals what is left: nothing
/// else may be appended after `stop`.
pub async fn run(bench: SealBench, options: SealOptions, stop: CancellationToken) {
    let ownership = Ownership {
        leases: bench.leases.clone(),
        clock: bench.runtime.clock.clone(),
        owner: bench.runtime.node.clone(),
        ttl: options.lease_ttl,
    };
    let bench = Arc::new(bench);
    let last = bench.clone();
    while_owner(&ownership, JOB, &stop, |_, mine| {
        let bench = bench.clone();
        async move {
            let (notes, heard) = tell::Notes::to(bench.witnesses.len());
            tokio::join!(
                async {
                    follow::follow(&bench, options, &notes, &mine).await;
                    drop(notes);
                },
                tell::tell(&bench, heard, &mine),
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
