//! Decrypts the signing secrets of receivers: webhook endpoints and tools.

use std::collections::BTreeMap;

use domain::envelope::{StreamId, Time};
use domain::ids::ClientId;
use domain::ports::vault::{Vault, VaultError};
use domain::webhook::endpoint::CustomHeaders;
use domain::webhook::secrets::HeldSecret;
use domain::webhook::signing::SigningSecret;

/// The encryption context that binds a sealed signing secret to its receiver.
#[must_use]
pub fn secret_place(receiver: &StreamId) -> String {
    format!("{receiver}:secret")
}

/// The encryption context that binds sealed custom headers to their receiver.
#[must_use]
pub fn headers_place(receiver: &StreamId) -> String {
    format!("{receiver}:headers")
}

/// Why secrets cannot be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// The vault cannot decrypt a secret.
    #[error("the secrets cannot be opened")]
    Vault(#[from] VaultError),
    /// A decrypted secret is not valid.
    #[error("the secrets cannot be used")]
    Unusable,
}

/// Decrypts signing secrets, each with the time its validity ends (`None`: it does not end).
pub(crate) async fn open_secrets<'h>(
    vault: &dyn Vault,
    client: ClientId,
    receiver: &StreamId,
    held: impl IntoIterator<Item = &'h HeldSecret>,
) -> Result<Vec<(SigningSecret, Option<Time>)>, NotOpened> {
    let place = secret_place(receiver);
    let mut opened = Vec::new();
    for held in held {
        let bytes = vault.open(client, &place, &held.sealed).await?;
        opened.push((SigningSecret::from_bytes(bytes).map_err(|_| NotOpened::Unusable)?, held.until));
    }
    Ok(opened)
}

/// Decrypts a receiver's custom headers.
pub(crate) async fn open_headers(
    vault: &dyn Vault,
    client: ClientId,
    receiver: &StreamId,
    headers: &CustomHeaders,
) -> Result<BTreeMap<String, String>, NotOpened> {
    let Some(sealed) = &headers.sealed else { return Ok(BTreeMap::new()) };
    let bytes = vault.open(client, &headers_place(receiver), sealed).await?;
    serde_json::from_slice(&bytes).map_err(|_| NotOpened::Unusable)
}
