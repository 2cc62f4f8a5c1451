//! Nobody makes or changes a user who may do more than they may themselves.

use domain::ids::UserId;
use domain::user::Role;

use crate::http::auth::{Principal, scopes_of};
use crate::node::Backend;
use crate::problem::{ApiError, Code, Fields};

/// Reads a role; notes when it is none.
pub(super) fn role(fields: &mut Fields, name: &str) -> Option<Role> {
    let role = Role::from_name(name);
    if role.is_none() {
        fields.fault("role", "unknown", "a role is one of owner, admin, developer, viewer, auditor");
    }
    role
}

/// Makes sure that `caller` may do all that somebody in this role may.
///
/// # Errors
/// 403 `would_exceed_yours`.
pub(super) fn covers(caller: &Principal, role: Role) -> Result<(), ApiError> {
    if caller.scopes.cover(scopes_of(role)) {
        return Ok(());
    }
    Err(ApiError::new(Code::WouldExceedYours, "the role may do more than you may"))
}

/// Makes sure that `caller` may do all that the user may. One who does not exist is left to the rules.
///
/// # Errors
/// 403 `would_exceed_yours`.
pub(super) fn covers_user(backend: &Backend, caller: &Principal, id: UserId) -> Result<(), ApiError> {
    match backend.identity().user(id).filter(|row| row.client == caller.client) {
        Some(row) => covers(caller, row.view.role),
        None => Ok(()),
    }
}
