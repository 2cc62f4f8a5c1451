//! Forgetting idempotency keys whose time is over.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::clock::Clock;
use domain::ports::idempotency::IdempotencyKeys;
use tokio_util::sync::CancellationToken;

/// Keys forgotten in one step: requests must not wait for a long one.
const BATCH: u32 = 500;
const EVERY: Duration = Duration::from_secs(60);

/// Sweeps expired keys away until `stop`. Every node does so: what another one has swept is no longer there.
pub(super) async fn forget_expired_keys(
    keys: Arc<dyn IdempotencyKeys>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let sweep = async {
        loop {
            match keys.expire(clock.now(), BATCH).await {
                // more is due; between two steps others get their turn
                Ok(forgotten) if forgotten == u64::from(BATCH) => tokio::task::yield_now().await,
                Ok(_) => clock.sleep_until(clock.now() + EVERY).await,
                Err(error) => {
                    tracing::warn!(%error, "expired idempotency keys are not forgotten");
                    clock.sleep_until(clock.now() + EVERY).await;
                }
            }
        }
    };
    stop.run_until_cancelled(sweep).await;
}
