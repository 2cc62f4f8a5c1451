//! Nobody can create or change a user who may do more than they may themselves.

use domain::ids::UserId;
use domain::user::Role;

use crate::auth::{Principal, scopes_of};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Fields};

/// Reads a role; notes a fault when it is unknown.
pub(super) fn role(fields: &mut Fields, name: &str) -> Option<Role> {
    let role = Role::from_name(name);
    if role.is_none() {
        fields.fault("role", "unknown", "a role is one of owner, admin, developer, viewer, auditor");
    }
    role
}

/// Checks that `caller` has every scope of this role. Answers 403 `would_exceed_yours` otherwise.
pub(super) fn covers(caller: &Principal, role: Role) -> Result<(), ApiError> {
    if caller.scopes.cover(scopes_of(role)) {
        return Ok(());
    }
    Err(ApiError::new(Code::WouldExceedYours, "the role may do more than you may"))
}

/// Checks that `caller` may do all that the user may, and answers 403 `would_exceed_yours` otherwise. A user who
/// does not exist passes: the command answers for them.
pub(super) fn covers_user(backend: &Backend, caller: &Principal, id: UserId) -> Result<(), ApiError> {
    match backend.identity().user(id).filter(|row| row.client == caller.client) {
        Some(row) => covers(caller, row.view.role),
        None => Ok(()),
    }
}
