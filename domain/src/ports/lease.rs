//! Ownership of a job that only one node may do at a time, with a fencing epoch.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreUnavailable;

/// The right to do a job until another node takes it over. Every write under it names its epoch, and the store
/// refuses an epoch that is not the newest: a node that lost its lease without noticing can do no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The job: `projection:calls`, `effects`, ….
    pub job: String,
    /// The node incarnation that holds it.
    pub owner: String,
    /// Grows with every change of owner.
    pub epoch: i64,
}

/// Stores leases beside the data they fence. That store's own clock decides when they expire.
#[async_trait]
pub trait Leases: fmt::Debug + Send + Sync {
    /// Takes the lease if it is free, expired or already the owner's; `None` while another node holds it. A store
    /// that only this process can write (SQLite under its lock) grants it at once.
    async fn acquire(&self, job: &str, owner: &str, ttl: Duration)
    -> Result<Option<Lease>, StoreUnavailable>;

    /// Prolongs the lease; `false` when it was lost.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreUnavailable>;

    /// Gives the lease up, so that another node need not wait until it expires.
    async fn release(&self, lease: &Lease) -> Result<(), StoreUnavailable>;
}
