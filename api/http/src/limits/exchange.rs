//! Exchanges admitted requests between nodes on one PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use adapters::keys::SharedBuckets;
use domain::ports::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::gate::Gate;

/// Pause between two exchanges. The nodes together can exceed a limit by what they admit within it.
const PAUSE: Duration = Duration::from_secs(1);
/// A store that takes longer counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most buckets reported at once, more than a shard holds; the others wait for their turn.
const MOST: usize = 10_000;

/// Exchanges rate-limit buckets with the other nodes until `stop`. No request waits for it: while the store is
/// unreachable each node applies the limits on its own.
pub async fn exchange(
    gate: Arc<Gate>,
    shared: SharedBuckets,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    // the first exchange at once: a node that restarts learns what it knew before
    let (mut seen, mut reachable, mut pause) = (0, true, Duration::ZERO);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(pause) => {}
        }
        pause = PAUSE;
        let (buckets, limiter) = (&gate.limiter.buckets, &gate.limiter);
        let untold = buckets.untold(limiter.now(), MOST);
        let told = tokio::time::timeout(PATIENCE, shared.exchange(&untold, seen)).await;
        let error = match told {
            Ok(Ok(exchanged)) => {
                seen = exchanged.seen;
                let now = limiter.now();
                for bucket in exchanged.buckets {
                    buckets.learn(bucket.name, bucket.lead, now);
                }
                count("told");
                reachable = true;
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        count("failed");
        buckets.still_untold(&untold, limiter.now());
        if std::mem::replace(&mut reachable, false) {
            tracing::warn!(error, "rates are not shared with other nodes: the key store cannot be reached");
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(domain::metrics::LIMIT_EXCHANGES, "outcome" => outcome).increment(1);
}
