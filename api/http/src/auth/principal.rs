//! The authenticated sender of a request, and what they may do.

use domain::envelope::{Actor, Time};
use domain::ids::{ApiKeyId, ClientId, LoginId, UserId};
use domain::user::Role;

use super::scope::Scopes;

/// The authenticated sender of a request, and what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// Tenant on whose behalf the request acts.
    pub client: ClientId,
    pub who: Who,
    pub scopes: Scopes,
    /// Whether this is the platform's administrator, who creates clients and sees all of them.
    pub platform: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Key {
        id: ApiKeyId,
        /// Limits of the key besides its scopes.
        bounds: Bounds,
    },
    /// A person who signed in, here or with the operator's identity provider.
    User {
        id: UserId,
        role: Role,
        /// Login of this node; `None` when the operator's identity provider signed the user in.
        login: Option<LoginId>,
    },
}

/// Limits of a key besides its scopes. A key that it creates may not exceed them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Requests per hour; `None`: no limit of its own.
    pub rate_limit: Option<u32>,
    /// Requests in the key's whole life; `None`: unlimited.
    pub usage_quota: Option<u64>,
    /// When the key expires; `None`: never.
    pub expires_at: Option<Time>,
}

impl Principal {
    /// The principal as events' metadata records it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self.who {
            Who::Key { id, .. } => Actor::ApiKey(id.0),
            Who::User { id, .. } => Actor::User(id.0),
        }
    }

    /// The API key that it is; `None` for a user.
    #[must_use]
    pub fn key(&self) -> Option<ApiKeyId> {
        match self.who {
            Who::Key { id, .. } => Some(id),
            Who::User { .. } => None,
        }
    }

    /// Limits that every key this principal creates must stay within.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        match self.who {
            Who::Key { bounds, .. } => bounds,
            Who::User { .. } => Bounds::default(),
        }
    }
}

impl Bounds {
    /// Whether `other` exceeds none of these limits.
    #[must_use]
    pub fn cover(&self, other: &Bounds) -> bool {
        fn within<T: PartialOrd>(own: Option<T>, other: Option<T>) -> bool {
            own.is_none_or(|own| other.is_some_and(|other| other <= own))
        }
        within(self.rate_limit, other.rate_limit)
            && within(self.usage_quota, other.usage_quota)
            && within(self.expires_at, other.expires_at)
    }
}

/// Scopes that a role gives.
#[must_use]
pub fn scopes_of(role: Role) -> Scopes {
    const READ: &[&str] = &[
        "calls:read",
        "conversations:read",
        "ivr:read",
        "webhooks:read",
        "agents:read",
        "tools:read",
        "numbers:read",
        "analytics:read",
        "customers:read",
        "kb:read",
    ];
    const BUILD: &[&str] = &[
        "calls:write",
        "conversations:write",
        "ivr:write",
        "webhooks:write",
        "agents:write",
        "tools:write",
        "numbers:write",
        "customers:write",
        "kb:write",
        "keys:read",
        "providers:read",
    ];
    const LOOK_CLOSELY: &[&str] =
        &["keys:read", "users:read", "audit:read", "providers:read", "billing:read"];
    const ADMINISTER: &[&str] = &[
        "keys:read",
        "keys:write",
        "users:read",
        "users:write",
        "audit:read",
        "providers:read",
        "providers:write",
        "billing:read",
        "billing:write",
        "privacy:write",
    ];
    let of = |parts: &[&[&str]]| Scopes::parse_known(&parts.concat());
    match role {
        Role::Owner => Scopes::EVERYTHING,
        Role::Admin => of(&[READ, BUILD, ADMINISTER]),
        Role::Developer => of(&[READ, BUILD]),
        Role::Viewer => of(&[READ]),
        Role::Auditor => of(&[READ, LOOK_CLOSELY]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::*;

    #[test]
    fn an_admin_may_do_everything_there_is_and_an_owner_everything_there_will_be() {
        for role in [Role::Admin, Role::Owner] {
            assert!(Scope::ALL.iter().all(|scope| scopes_of(role).grants(*scope)), "{role:?}");
        }
        assert!(!scopes_of(Role::Admin).cover(Scopes::EVERYTHING));
    }

    #[test]
    fn roles_name_only_scopes_there_are() {
        // the texts of a role are read leniently, like those of a stored key
        let count = |role| scopes_of(role).to_texts().len();
        let counts = [Role::Viewer, Role::Auditor, Role::Developer, Role::Admin].map(count);
        assert_eq!(counts, [10, 15, 21, Scope::ALL.len()]);
    }

    #[test]
    fn who_only_looks_changes_nothing_and_an_auditor_sees_everything() {
        for role in [Role::Viewer, Role::Auditor] {
            assert!(scopes_of(role).to_texts().iter().all(|scope| scope.ends_with(":read")), "{role:?}");
        }
        let reads = Scope::ALL.iter().filter(|scope| scope.as_str().ends_with(":read"));
        assert!(reads.into_iter().all(|scope| scopes_of(Role::Auditor).grants(*scope)));
        assert!(!scopes_of(Role::Viewer).grants(Scope::AuditRead));
        assert!(!scopes_of(Role::Developer).grants(Scope::KeysWrite));
    }

    #[test]
    fn what_cannot_be_undone_is_for_owners_and_admins() {
        // erasing persons, revoking keys, removing users, removing provider accounts
        let for_good = [Scope::PrivacyWrite, Scope::KeysWrite, Scope::UsersWrite, Scope::ProvidersWrite];
        for role in Role::ALL {
            let may = for_good.iter().filter(|scope| scopes_of(role).grants(**scope)).count();
            let expected = if matches!(role, Role::Owner | Role::Admin) { for_good.len() } else { 0 };
            assert_eq!(may, expected, "{role:?}");
        }
    }

    #[test]
    fn a_bounded_key_covers_only_what_is_bounded_at_least_as_much() {
        let bounds = |rate_limit, usage_quota| Bounds { rate_limit, usage_quota, expires_at: None };
        assert!(bounds(None, None).cover(&bounds(None, None)));
        assert!(bounds(Some(10), None).cover(&bounds(Some(10), Some(5))));
        assert!(!bounds(Some(10), None).cover(&bounds(None, None)));
        assert!(!bounds(None, Some(5)).cover(&bounds(Some(1), Some(6))));
    }
}
