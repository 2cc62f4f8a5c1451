//! Opening what a receiver of ours is signed with: an endpoint's deliveries, a tool's requests.

use std::collections::BTreeMap;

use domain::envelope::{StreamId, Time};
use domain::ids::ClientId;
use domain::ports::vault::{Vault, VaultError};
use domain::webhook::endpoint::CustomHeaders;
use domain::webhook::secrets::HeldSecret;
use domain::webhook::signing::SigningSecret;

/// What a receiver's signing secret is bound to.
#[must_use]
pub fn secret_place(receiver: &StreamId) -> String {
    format!("{receiver}:secret")
}

/// What a receiver's own headers are bound to.
#[must_use]
pub fn headers_place(receiver: &StreamId) -> String {
    format!("{receiver}:headers")
}

/// Why secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// One cannot be opened.
    #[error("the secrets cannot be opened")]
    Vault(#[from] VaultError),
    /// One is not what it must be.
    #[error("the secrets cannot be used")]
    Unusable,
}

/// Opens signing secrets, each with the time it signs until.
///
/// # Errors
/// See [`NotOpened`].
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

/// Opens a client's own headers.
///
/// # Errors
/// See [`NotOpened`].
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
