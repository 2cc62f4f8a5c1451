//! Metrics of waiting deliveries.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::DeliveryDeps;
use crate::outbox::time::JobClock;

const PERIOD: Duration = Duration::from_secs(15);

/// Reports how many deliveries wait and for how long, until the lease is lost.
pub(super) async fn keep(deps: &DeliveryDeps, time: &JobClock, lease_lost: &CancellationToken) {
    let clock = &deps.runtime.clock;
    while !lease_lost.is_cancelled() {
        let now = time.now();
        if let Ok(stats) = deps.store.stats(now).await {
            let age = stats.oldest_due.map_or(0.0, |due| (now - due).as_seconds_f64().max(0.0));
            metrics::gauge!(domain::metrics::WEBHOOK_PENDING).set(stats.pending as f64);
            metrics::gauge!(domain::metrics::WEBHOOK_OLDEST_DUE_SECONDS).set(age);
        }
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = clock.sleep(PERIOD) => {}
        }
    }
}
