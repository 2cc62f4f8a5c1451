//! What a user is to their client.

use serde::{Deserialize, Serialize};

/// A user's role. What each may do stands with the API's scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Everything but money and the owner.
    Admin,
    /// Builds: agents, menus, webhooks, calls. Does nothing that cannot be undone.
    Developer,
    /// Looks at calls and conversations.
    Viewer,
    /// Looks at everything, the audit log included.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [Role::Owner, Role::Admin, Role::Developer, Role::Viewer, Role::Auditor];

    /// Its word.
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

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}
