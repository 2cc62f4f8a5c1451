//! The newest sealed head of the log, kept where whoever writes the log and its tree cannot reach.

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use super::vault::VaultError;
use crate::merkle::KeptHead;

/// Why no head is kept, or none is to be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeepError {
    /// The keys cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
    /// The key the head is kept under does not open.
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
    /// Of two heads of one size one is forged, or there are two logs.
    #[error("another head of {size} events is kept")]
    Conflict {
        /// How many events both cover.
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
/// Whoever can write the log, its tree or this store, but has no key, can neither forge what is kept nor remove it
/// unnoticed. That an older state of this store as a whole was put back is not noticed here; who must know of that
/// keeps checkpoints elsewhere ([`Witness`](super::seals::Witness)).
#[async_trait]
pub trait HeadKeeper: fmt::Debug + Send + Sync {
    /// What is kept; `None` when nothing ever was.
    ///
    /// # Errors
    /// See [`KeepError`].
    async fn kept(&self) -> Result<Option<KeptHead>, KeepError>;

    /// Keeps `head`, flushed before it answers. A larger one of the same log stays.
    ///
    /// # Errors
    /// See [`KeepError`].
    async fn keep(&self, head: &KeptHead) -> Result<(), KeepError>;

    /// Keeps `head` whatever was kept before, gone and forged heads too: for an operator who accepts a log as it is.
    ///
    /// # Errors
    /// When the keys cannot be reached or used.
    async fn keep_instead(&self, head: &KeptHead) -> Result<(), KeepError>;
}
