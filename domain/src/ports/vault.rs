//! Secrets at rest: sealed under keys that are stored apart from what they seal.

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
    /// Id of the key it is sealed under.
    pub key: Uuid,
    /// Nonce, then ciphertext and tag.
    pub bytes: ByteBuf,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<sealed>")
    }
}

/// Why a value cannot be sealed or opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// The keys cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
    /// The keys are wrapped by a master key that this node does not have.
    #[error("the master key {0} is needed and is not the one this node has")]
    MasterKey(String),
    /// The key was destroyed, and what it sealed is lost with it.
    #[error("the key was destroyed")]
    Destroyed,
    /// The bytes were altered, or belong somewhere else.
    #[error("the sealed value does not open")]
    Forged,
}

/// Seals values that must not be readable from the log, a view or a backup.
///
/// Every client has a key of its own. The `place` (for example a stream and a field) is bound to the value: moved
/// elsewhere it does not open.
#[async_trait]
pub trait Vault: fmt::Debug + Send + Sync {
    /// Seals a value under the client's key.
    async fn seal(&self, owner: ClientId, place: &str, plain: &[u8]) -> Result<Sealed, VaultError>;

    /// Opens a value that was sealed for this client and place.
    async fn open(&self, owner: ClientId, place: &str, sealed: &Sealed) -> Result<Vec<u8>, VaultError>;

    /// 256 secret bits for `purpose`, the same on every node and for ever.
    async fn secret(&self, purpose: &str) -> Result<[u8; 32], VaultError>;
}
