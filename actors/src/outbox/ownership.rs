//! Runs a job only while this node holds its lease.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::clock::Clock;
use domain::ports::lease::{Lease, Leases};
use tokio_util::sync::CancellationToken;

use crate::runtime::Runtime;

/// How a lease is acquired and kept.
#[derive(Debug, Clone)]
pub struct Ownership {
    pub leases: Arc<dyn Leases>,
    pub clock: Arc<dyn Clock>,
    /// This incarnation of the node.
    pub owner: Arc<str>,
    /// How long a lease lasts without being renewed.
    pub ttl: Duration,
}

impl Ownership {
    /// A lease for this incarnation of the node.
    pub(crate) fn of(runtime: &Runtime, leases: Arc<dyn Leases>, ttl: Duration) -> Self {
        Self { leases, clock: runtime.clock.clone(), owner: runtime.node.clone(), ttl }
    }

    async fn pause(&self, part: u32, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.clock.sleep(self.ttl / part) => {}
        }
    }
}

/// Runs `body` whenever this node holds the lease of `job`, until `stop`. The token passed to it is cancelled when
/// the lease is lost or the node stops; it must return soon after. When it returns by itself it is started again.
pub async fn while_owner<F, Fut>(ownership: &Ownership, job: &str, stop: &CancellationToken, mut body: F)
where
    F: FnMut(Lease, CancellationToken) -> Fut,
    Fut: Future<Output = ()>,
{
    while !stop.is_cancelled() {
        match ownership.leases.acquire(job, &ownership.owner, ownership.ttl).await {
            Ok(Some(lease)) => {
                tracing::info!(job, epoch = lease.epoch, "job taken over");
                let lease_lost = stop.child_token();
                tokio::join!(
                    async {
                        body(lease.clone(), lease_lost.clone()).await;
                        lease_lost.cancel();
                    },
                    keep(ownership, &lease, &lease_lost),
                );
                if let Err(error) = ownership.leases.release(&lease).await {
                    tracing::warn!(job, %error, "lease not released; it will expire");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(job, %error, "lease not to be had"),
        }
        ownership.pause(4, stop).await;
    }
}

/// Renews the lease until `lease_lost` is cancelled; cancels `lease_lost` when the lease is lost or could not be renewed in time.
async fn keep(ownership: &Ownership, lease: &Lease, lease_lost: &CancellationToken) {
    let mut good_until = ownership.clock.monotonic() + ownership.ttl;
    loop {
        ownership.pause(3, lease_lost).await;
        if lease_lost.is_cancelled() {
            return;
        }
        let asked_at = ownership.clock.monotonic();
        match ownership.leases.renew(lease, ownership.ttl).await {
            Ok(true) => good_until = asked_at + ownership.ttl,
            Ok(false) => {
                tracing::warn!(job = lease.job, "lease lost to another node");
                return lease_lost.cancel();
            }
            Err(error) => {
                tracing::warn!(job = lease.job, %error, "lease not renewed");
                if ownership.clock.monotonic() >= good_until {
                    return lease_lost.cancel();
                }
            }
        }
    }
}
