//! A client always keeps an owner, and nobody can give rights that they do not have.

use actors::session::CommandError;
use domain::ids::ClientId;
use uuid::Uuid;

use crate::auth::{Bounds, Principal, Scopes, Who};
use crate::backend::Backend;
use crate::problem::{ApiError, Code};

/// Checks that the client still has an owner when the key or user `leaving` stops being one. When two owners remove
/// each other at once, on one node or on two, one stays: the log records each removal first.
///
/// Answers 409 `last_owner`; 409 `conflict` while another owner is being removed; 503 when the log cannot
/// be read or written.
pub(super) async fn leave_an_owner(
    backend: &Backend,
    caller: &Principal,
    leaving: Uuid,
) -> Result<(), ApiError> {
    let (identity, client) = (backend.identity(), caller.client);
    newest(backend).await?;
    if !identity.is_owner(client, leaving) {
        return Ok(());
    }
    // an owner whom the external identity provider names is not in this node's log, and stays an owner
    let guest = matches!(caller.who, Who::User { login: None, .. }) && caller.scopes == Scopes::EVERYTHING;
    if guest {
        return Ok(());
    }
    let stays = || match identity.has_owner_besides(client, leaving) {
        true => Ok(()),
        false => Err(ApiError::new(Code::LastOwner, detail(client))),
    };
    stays()?;
    let is_over = async |noted| newest(backend).await.is_ok() && !identity.is_owner(client, noted);
    match backend.claims.note_leaving_owner(client, leaving, is_over).await {
        Ok(()) => {}
        Err(CommandError::Refused(_)) => {
            let detail = "another owner of this client is being removed just now: try again in a minute";
            return Err(ApiError::new(Code::Conflict, detail));
        }
        Err(error) => return Err(ApiError::unavailable(error)),
    }
    newest(backend).await?;
    stays()
}

/// Waits until this node's identity index has applied the log up to its current head; answers 503 if it does not.
async fn newest(backend: &Backend) -> Result<(), ApiError> {
    let head = backend.runtime.store.head().await.map_err(ApiError::unavailable)?;
    match backend.knows(head).await {
        true => Ok(()),
        false => Err(ApiError::new(Code::Unavailable, "who is an owner is not known here yet; try again")),
    }
}

fn detail(client: ClientId) -> &'static str {
    if client == crate::backend::DEFAULT_CLIENT {
        "this is the platform's last administrator: make another owner of client `default` first"
    } else {
        "this is the client's last owner: make another first"
    }
}

/// Checks that `caller` has no limit, quota or expiry, because what it creates has none.
/// Answers 403 `would_exceed_yours` otherwise.
pub(super) fn unbounded(caller: &Principal) -> Result<(), ApiError> {
    if caller.bounds().cover(&Bounds::default()) {
        return Ok(());
    }
    let detail = "your key has a limit, a quota or an end, and what you make would have none";
    Err(ApiError::new(Code::WouldExceedYours, detail))
}
