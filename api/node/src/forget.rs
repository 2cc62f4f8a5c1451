//! Deletes expired idempotency keys.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::clock::Clock;
use domain::ports::idempotency::IdempotencyKeys;
use tokio_util::sync::CancellationToken;

/// Keys deleted in one step, so that requests never wait for a long one.
const BATCH: u32 = 500;
const EVERY: Duration = Duration::from_secs(60);

/// Deletes expired keys until `stop`. Every node does so; one finds nothing left that another has deleted.
pub async fn forget_expired_keys(
    keys: Arc<dyn IdempotencyKeys>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let sweep = async {
        loop {
            match keys.expire(clock.now(), BATCH).await {
                // more is due: a short pause lets others have their turn
                Ok(forgotten) if forgotten == u64::from(BATCH) => tokio::task::yield_now().await,
                Ok(_) => clock.sleep(EVERY).await,
                Err(error) => {
                    tracing::warn!(%error, "expired idempotency keys are not forgotten");
                    clock.sleep(EVERY).await;
                }
            }
        }
    };
    stop.run_until_cancelled(sweep).await;
}

#[cfg(test)]
mod tests {
    use conformance::fakes::clock::ManualClock;
    use conformance::fakes::idempotency::MemoryIdempotency;
    use domain::ids::ClientId;
    use domain::ports::idempotency::{Ask, KeyName};
    use domain::testing::ids::sequential;
    use uuid::Uuid;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Runs the job until `reached`.
    async fn until(reached: impl Fn() -> bool) {
        for _ in 0..10_000 {
            if reached() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the job does not come to it");
    }

    #[tokio::test]
    async fn keys_are_forgotten_soon_after_their_time_however_many_until_the_node_stops() {
        let (keys, clock) = (Arc::new(MemoryIdempotency::default()), Arc::new(ManualClock::default()));
        let ask = |n: u64, keep_for| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            let key = KeyName { client: ClientId(Uuid::nil()), hash };
            let (seed, lock_for) = (sequential(n), HOUR);
            Ask { key, request: [0; 32], seed, now: clock.now(), lock_for, keep_for }
        };
        let many = 2 * u64::from(BATCH) + 7;
        for n in 0..many {
            keys.begin(&ask(n, HOUR)).await.unwrap();
        }
        keys.begin(&ask(many, 3 * HOUR)).await.unwrap();
        let stop = CancellationToken::new();
        let job = tokio::spawn(forget_expired_keys(keys.clone(), clock.clone(), stop.clone()));
        until(|| clock.sleepers() == 1).await;
        assert_eq!(keys.count() as u64, many + 1, "nothing is due");
        clock.advance(HOUR);
        until(|| keys.count() == 1).await;
        clock.advance(2 * HOUR);
        until(|| keys.count() == 0).await;
        stop.cancel();
        job.await.unwrap();
    }
}
