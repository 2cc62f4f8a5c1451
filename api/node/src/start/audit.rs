//! Starts the sealing of the log, its repeated check, and erasure and export of personal data.

use std::sync::Arc;
use std::time::Duration;

use actors::memory::MemoryService;
use actors::privacy::{PrivacyDeps, PrivacyOptions};
use actors::sealer::{HistoryHealth, SealOptions, SealerDeps};
use adapters::keys::SqlIdempotency;
use adapters::privacy::ErasureTargets;
use api_http::backend::DEFAULT_CLIENT;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::calls::CallActors;
use super::stores::Stores;
use crate::config::Config;

/// The shortest retention of deliveries, longer than any delivery is attempted.
const SHORTEST_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// The sealer, and what handlers need of erasure and export.
pub(super) struct Audit {
    pub(super) health: Arc<HistoryHealth>,
    pub(super) privacy: PrivacyDeps,
    pub(super) sealing: JoinHandle<()>,
}

/// Starts them. The sealer runs until `appended` is cancelled: after everything that appends.
pub(super) fn start(
    config: &Config,
    stores: &Stores,
    actors: &CallActors,
    memories: &MemoryService,
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
    appended: &CancellationToken,
) -> Audit {
    let (runtime, edges, work) = (&stores.runtime, &stores.edges, &stores.work);
    let health = Arc::new(HistoryHealth::default());
    let sealer = SealerDeps {
        runtime: runtime.clone(),
        sealed: stores.sealed.clone(),
        health: health.clone(),
        operator: DEFAULT_CLIENT,
        leases: work.clone(),
        witnesses: edges.witnesses.clone(),
    };
    let sealing = tokio::spawn(actors::sealer::run(sealer, SealOptions::default(), appended.clone()));
    let (sealed, clock) = (stores.sealed.clone(), runtime.clock.clone());
    let recheck =
        actors::sealer::recheck(sealed, clock.clone(), health.clone(), config.audit.recheck, stop.clone());
    tasks.push(tokio::spawn(recheck));

    let data = ErasureTargets {
        log: edges.private.clone(),
        jobs: edges.keys.privacy_jobs(),
        answers: Arc::new(SqlIdempotency::new(edges.keys.clone())),
        vault: edges.vault.clone(),
        views: (*stores.views).clone(),
        work: (**work).clone(),
        rebuild: stores.projections.clone(),
        alone: edges.keys.is_exclusive(),
        grace: config.privacy.content_grace,
        clock,
    };
    let privacy = PrivacyDeps {
        runtime: runtime.clone(),
        data: Arc::new(data),
        telephony: actors.carriers.clone(),
        objects: edges.objects.clone(),
        index: Some(memories.index.clone()),
        operator: DEFAULT_CLIENT,
        deliveries: work.clone(),
        leases: work.clone(),
    };
    let options = PrivacyOptions {
        backup_retention: config.privacy.backup_retention.duration(),
        audit_retention: config.audit.retention.duration(),
        attempt_retention: config.webhooks.retention.duration().max(SHORTEST_RETENTION),
        session_retention: config.ivr.session_retention.duration(),
        ..PrivacyOptions::default()
    };
    tasks.push(tokio::spawn(actors::privacy::run(privacy.clone(), options, stop.clone())));
    tracing::debug!("the log is sealed, and personal data can be erased");
    Audit { health, privacy, sealing }
}
