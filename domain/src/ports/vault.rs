//! Secrets at rest: sealed under keys that are kept apart from what they seal.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::StoreUnavailable;
use crate::ids::ClientId;

/// A sealed value, as it stands in an event or a row.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The key it is sealed under.
    pub key: Uuid,
    /// Nonce, then ciphertext and tag.
    pub bytes: ByteBuf,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<sealed>")
    }
}

/// Why something was not sealed or opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// The keys cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
    /// The keys are wrapped by a master key this node does not have.
    #[error("the master key {0} is needed and is not the one this node has")]
    MasterKey(String),
    /// The key is gone: what it sealed is gone with it.
    #[error("the key was destroyed")]
    Destroyed,
    /// The bytes were altered, or belong somewhere else.
    #[error("the sealed value does not open")]
    Forged,
}

/// Seals what must not be read by whoever reads the log, a view or a backup.
///
/// Every client has a key of its own. The `place` (a stream and a field, say) is bound to the value: moved
/// elsewhere it does not open.
#[async_trait]
pub trait Vault: fmt::Debug + Send + Sync {
    /// Seals a value of a client's.
    ///
    /// # Errors
    /// See [`VaultError`].
    async fn seal(&self, owner: ClientId, place: &str, plain: &[u8]) -> Result<Sealed, VaultError>;

    /// Opens a value of a client's.
    ///
    /// # Errors
    /// See [`VaultError`].
    async fn open(&self, owner: ClientId, place: &str, sealed: &Sealed) -> Result<Vec<u8>, VaultError>;

    /// 256 secret bits for `purpose`, the same on every node and for ever.
    ///
    /// # Errors
    /// See [`VaultError`].
    async fn secret(&self, purpose: &str) -> Result<[u8; 32], VaultError>;
}
