//! Sealing history: one node follows the log, keeps the Merkle tree over it, and signs its head.
//!
//! Nobody waits for the sealer: it reads what is committed, and may lag or die without an append noticing.

mod follow;
mod meter;
mod prove;
mod tell;
mod tree;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::lease::Leases;
use domain::ports::seals::{SealStore, Witness};
use tokio_util::sync::CancellationToken;

pub use prove::{ProveError, Prover};
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
}

impl Default for SealOptions {
    fn default() -> Self {
        Self { every: Duration::from_millis(500), lease_ttl: Duration::from_secs(5) }
    }
}

/// What history is sealed with. `Debug` hides the key.
#[derive(Clone)]
pub struct SealBench {
    /// The log, the time, who we are.
    pub runtime: Runtime,
    /// Where the tree is kept.
    pub store: Arc<dyn SealStore>,
    /// Who owns the job.
    pub leases: Arc<dyn Leases>,
    /// What the key is made of: the same on every node of an installation.
    pub secret: [u8; 32],
    /// Who is told of every head.
    pub witnesses: Vec<Arc<dyn Witness>>,
}

impl fmt::Debug for SealBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealBench").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Seals history until `stop`, whenever this node owns the job.
pub async fn run(bench: SealBench, options: SealOptions, stop: CancellationToken) {
    let ownership = Ownership {
        leases: bench.leases.clone(),
        clock: bench.runtime.clock.clone(),
        owner: bench.runtime.node.clone(),
        ttl: options.lease_ttl,
    };
    let bench = Arc::new(bench);
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
}
