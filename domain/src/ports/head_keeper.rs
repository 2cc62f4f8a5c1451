//! Keeps the newest sealed head of the log where those who can write the log and its tree cannot change it.

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use super::vault::VaultError;
use crate::merkle::KeptHead;

/// Why a head cannot be kept or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeepError {
    /// The keys cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
    /// The key that protects the head cannot be used.
    #[error("the key of the kept head cannot be used")]
    Key(#[source] VaultError),
    /// A head was kept once, and is gone.
    #[error("the key store kept a head of the log, and that is gone")]
    Gone,
    /// What is kept was not written by a node of this installation.
    #[error("the head that the key store keeps was changed: its code does not fit it")]
    Forged,
    /// Another log's head is kept.
    #[error("the key store keeps the head of the log {0}, which is another log")]
    OtherLog(Uuid),
    /// Another head of the same size is kept: one of them is forged, or there are two logs.
    #[error("another head of {size} events is kept")]
    Conflict {
        /// Number of events that both cover.
        size: u64,
    },
}

impl From<VaultError> for KeepError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Unavailable(error) => Self::Unavailable(error),
            other => Self::Key(other),
        }
    }
}

/// Keeps one head: the newest.
///
/// Whoever can write the log, its tree or this store, but has no key, can neither forge the head nor remove
/// it unnoticed. Restoring an older state of this whole store is not noticed here; against that, checkpoints
/// are kept elsewhere ([`Witness`](super::seals::Witness)).
#[async_trait]
pub trait HeadKeeper: fmt::Debug + Send + Sync {
    /// The head that is kept; `None` when none ever was.
    async fn kept(&self) -> Result<Option<KeptHead>, KeepError>;

    /// Keeps `head`, flushed before it answers. A larger one of the same log stays.
    async fn keep(&self, head: &KeptHead) -> Result<(), KeepError>;

    /// Keeps `head` in place of whatever was kept, even where that is gone or forged: for an operator who accepts
    /// a log as it is. Fails only when the keys cannot be reached or used.
    async fn keep_instead(&self, head: &KeptHead) -> Result<(), KeepError>;
}
