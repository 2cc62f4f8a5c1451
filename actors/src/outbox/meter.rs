//! Metrics of the outbox and the timers, once a second.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Owned;

const PERIOD: Duration = Duration::from_secs(1);

/// Measures until the lease is lost.
pub(super) async fn measure(owned: &Owned, lease_lost: &CancellationToken) {
    let Owned { deps, time, .. } = owned;
    let clock = &deps.runtime.clock;
    while !lease_lost.is_cancelled() {
        let now = time.now();
        if let Ok(stats) = deps.store.stats(now).await {
            let age = stats.oldest_due.map_or(0.0, |due| (now - due).as_seconds_f64().max(0.0));
            metrics::gauge!(domain::metrics::OUTBOX_PENDING).set(stats.effects as f64);
            metrics::gauge!(domain::metrics::OUTBOX_AGE_SECONDS).set(age);
            metrics::gauge!(domain::metrics::TIMERS).set(stats.timers as f64);
        }
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = clock.sleep(PERIOD) => {}
        }
    }
}
