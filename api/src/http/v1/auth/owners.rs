//! A client always has an owner, and nobody gives what they do not have.

use domain::ids::ClientId;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::http::auth::{Bounds, Principal, Scopes, Who};
use crate::node::Backend;
use crate::problem::{ApiError, Code};

/// Held while a client may lose an owner: of two owners who remove each other at once, one stays. Between nodes nothing
/// of that kind is held; `voxledger keys reset-owner` is the way back from there.
pub(super) type OwnersHeld = Option<OwnedMutexGuard<()>>;

/// Makes sure that the client still has an owner when the key or user `leaving` is none any more. Keep what it answers with
/// until the change is made.
///
/// # Errors
/// 409 `last_owner`; 503 when the log cannot be read.
pub(super) async fn leave_an_owner(
    backend: &Backend,
    caller: &Principal,
    leaving: Uuid,
) -> Result<OwnersHeld, ApiError> {
    let identity = backend.identity();
    if !identity.is_owner(caller.client, leaving) {
        return Ok(None);
    }
    let held = backend.owner_edits.clone().lock_owned().await;
    let head = backend.runtime.store.head().await.map_err(ApiError::unavailable)?;
    backend.caught_up(head).await;
    // an owner by the word of the identity provider is not known here, and stays
    let guest = matches!(caller.who, Who::User { login: None, .. }) && caller.scopes == Scopes::EVERYTHING;
    if guest || identity.has_owner_besides(caller.client, leaving) {
        return Ok(Some(held));
    }
    Err(ApiError::new(Code::LastOwner, detail(caller.client)))
}

fn detail(client: ClientId) -> &'static str {
    if client == crate::node::DEFAULT_CLIENT {
        "this is the platform's last administrator: make another owner of client `default` first"
    } else {
        "this is the client's last owner: make another first"
    }
}

/// Makes sure that `caller` is bounded by nothing, as what is given is not.
///
/// # Errors
/// 403 `would_exceed_yours`.
pub(super) fn unbounded(caller: &Principal) -> Result<(), ApiError> {
    if caller.bounds().cover(&Bounds::default()) {
        return Ok(());
    }
    let detail = "your key has a limit, a quota or an end, and what you make would have none";
    Err(ApiError::new(Code::WouldExceedYours, detail))
}
