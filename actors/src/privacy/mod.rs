//! Erasures and exports, and what is kept for a time only: the process manager that takes each job through its steps
//! and runs retention when it is due. One node does so at a time, under a lease; a step that was cut off is done again,
//! which does no harm.

mod recordings;
mod retention;
mod saga;

use std::sync::Arc;
use std::time::Duration;

use domain::ids::ClientId;
use domain::ports::deliveries::DeliveryStore;
use domain::ports::lease::Leases;
use domain::ports::privacy::PersonalData;
use domain::ports::telephony::Telephony;
use tokio_util::sync::CancellationToken;

pub use saga::{Begun, begin};

use crate::runtime::Runtime;
use crate::work::{Ownership, while_owner};

/// The lease of the process manager.
pub const JOB: &str = "privacy";

/// How jobs are done.
#[derive(Debug, Clone, Copy)]
pub struct PrivacyOptions {
    /// How long backups of the keys live.
    pub backup_retention: Duration,
    /// How long an export is kept.
    pub export_retention: Duration,
    /// How often to end content that is not kept.
    pub retention: Duration,
    /// How long lines of the audit log are kept.
    pub audit_retention: Duration,
    /// How long deliveries, their attempts and what they delivered are kept.
    pub attempt_retention: Duration,
    /// How long IVR sessions that are over are kept.
    pub session_retention: Duration,
    /// How often to look for jobs.
    pub look: Duration,
    /// How long the lease runs without being renewed.
    pub lease_ttl: Duration,
}

impl Default for PrivacyOptions {
    fn default() -> Self {
        Self {
            backup_retention: Duration::from_secs(30 * 24 * 3600),
            export_retention: Duration::from_secs(7 * 24 * 3600),
            retention: Duration::from_secs(5),
            audit_retention: Duration::from_secs(365 * 24 * 3600),
            attempt_retention: Duration::from_secs(90 * 24 * 3600),
            session_retention: Duration::from_secs(30 * 24 * 3600),
            look: Duration::from_millis(500),
            lease_ttl: Duration::from_secs(5),
        }
    }
}

/// What jobs are done with.
#[derive(Debug, Clone)]
pub struct PrivacyBench {
    /// The log, the time, who we are.
    pub runtime: Runtime,
    /// Personal data, wherever it is.
    pub data: Arc<dyn PersonalData>,
    /// Where recordings are.
    pub telephony: Arc<dyn Telephony>,
    /// The client of who runs the node: runs over the rows of all clients stand in its history.
    pub operator: ClientId,
    /// Deliveries and their attempts.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// Who owns the job.
    pub leases: Arc<dyn Leases>,
}

/// Does jobs until `stop`, whenever this node owns them.
pub async fn run(bench: PrivacyBench, options: PrivacyOptions, stop: CancellationToken) {
    let ownership = Ownership {
        leases: bench.leases.clone(),
        clock: bench.runtime.clock.clone(),
        owner: bench.runtime.node.clone(),
        ttl: options.lease_ttl,
    };
    while_owner(&ownership, JOB, &stop, |_, mine| {
        let bench = bench.clone();
        async move { saga::keep_working(&bench, options, &mine).await }
    })
    .await;
}
