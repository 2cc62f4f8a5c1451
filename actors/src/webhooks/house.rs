//! What is done now and then: rows that are too old are removed, and what waits is counted.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::WebhookBench;

const PERIOD: Duration = Duration::from_secs(15);
/// Rows of each kind removed at a time.
const PORTION: usize = 2_000;
/// Portions a period at most: other writers must have their turn.
const PORTIONS: usize = 50;

/// Keeps house until the job is lost.
pub(super) async fn keep(bench: &WebhookBench, retention: Duration, mine: &CancellationToken) {
    let clock = &bench.runtime.clock;
    while !mine.is_cancelled() {
        let now = clock.now();
        if let Ok(stats) = bench.store.stats(now).await {
            let age = stats.oldest_due.map_or(0.0, |due| (now - due).as_seconds_f64().max(0.0));
            metrics::gauge!("voxledger_webhook_pending").set(stats.pending as f64);
            metrics::gauge!("voxledger_webhook_oldest_due_seconds").set(age);
        }
        for _ in 0..PORTIONS {
            match bench.store.sweep(now - retention, PORTION).await {
                Ok(removed) if removed > 0 && !mine.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "old deliveries are not removed yet");
                    break;
                }
            }
        }
        tokio::select! {
            () = mine.cancelled() => {}
            () = clock.sleep_until(now + PERIOD) => {}
        }
    }
}
