//! Roles of a client's users.

use serde::{Deserialize, Serialize};

/// A user's role. The scopes of the API define what each may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything a client can.
    Owner,
    /// May do everything but what concerns money and the owner.
    Admin,
    /// Builds agents, menus, webhooks and calls. Does nothing that cannot be undone.
    Developer,
    /// Reads calls and conversations only.
    Viewer,
    /// Reads everything, the audit log included.
    Auditor,
}

impl Role {
    pub const ALL: [Role; 5] = [Role::Owner, Role::Admin, Role::Developer, Role::Viewer, Role::Auditor];

    /// Name on the wire and in views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Developer => "developer",
            Role::Viewer => "viewer",
            Role::Auditor => "auditor",
        }
    }

    /// The role of which [`Role::as_str`] is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}
