//! Erasures, exports and retention: the process manager that takes each privacy job through its steps and ends what is
//! kept too long. One node runs it at a time, under a lease. A step that was cut off is repeated, which does no harm.

mod files;
mod memories;
mod recordings;
mod retention;
mod saga;

use std::sync::Arc;
use std::time::Duration;

use domain::ids::ClientId;
use domain::ports::deliveries::DeliveryStore;
use domain::ports::lease::Leases;
use domain::ports::objects::ObjectStore;
use domain::ports::privacy::PersonalData;
use domain::ports::telephony::Telephony;
use domain::ports::vector_index::VectorIndex;
use tokio_util::sync::CancellationToken;

pub use saga::{Begun, begin};

use crate::outbox::{Ownership, while_owner};
use crate::runtime::Runtime;

/// Name of the lease.
pub const JOB: &str = "privacy";

#[derive(Debug, Clone, Copy)]
pub struct PrivacyOptions {
    /// How long backups of the keys are kept. The receipt of an erasure says when that time is over.
    pub backup_retention: Duration,
    /// How long an export can be downloaded.
    pub export_retention: Duration,
    /// Interval between runs that end expired call content.
    pub retention: Duration,
    /// How long rows of the audit log are kept.
    pub audit_retention: Duration,
    /// How long deliveries, their attempts and bodies are kept.
    pub attempt_retention: Duration,
    /// How long ended IVR sessions are kept.
    pub session_retention: Duration,
    /// Interval between looks for open jobs.
    pub look: Duration,
    /// How long the lease lasts without being renewed.
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

/// The dependencies of the process manager.
#[derive(Debug, Clone)]
pub struct PrivacyDeps {
    pub runtime: Runtime,
    /// Finds, exports and erases personal data in all stores.
    pub data: Arc<dyn PersonalData>,
    /// The carrier, which keeps the recordings.
    pub telephony: Arc<dyn Telephony>,
    /// Files of calls, among them recordings.
    pub objects: Arc<dyn ObjectStore>,
    /// What is searched by vector and by words; `None` where nothing is.
    pub index: Option<Arc<dyn VectorIndex>>,
    /// The client of the node's operator: retention runs over rows of all clients are recorded in its history.
    pub operator: ClientId,
    pub deliveries: Arc<dyn DeliveryStore>,
    pub leases: Arc<dyn Leases>,
}

/// Runs privacy jobs and retention until `stop`, whenever this node holds the lease.
pub async fn run(deps: PrivacyDeps, options: PrivacyOptions, stop: CancellationToken) {
    let ownership = Ownership::of(&deps.runtime, deps.leases.clone(), options.lease_ttl);
    while_owner(&ownership, JOB, &stop, |_, lease_lost| {
        let deps = deps.clone();
        async move { saga::keep_working(&deps, options, &lease_lost).await }
    })
    .await;
}
