//! Who is behind a request.

use domain::envelope::{Actor, Time};
use domain::ids::{ApiKeyId, ClientId, LoginId, UserId};
use domain::user::Role;

use super::scope::Scopes;

/// Who is behind a request, and what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The tenant everything is done for.
    pub client: ClientId,
    /// Who.
    pub who: Who,
    /// What they may do.
    pub scopes: Scopes,
    /// Whether they look after the whole node: they make clients and see all of them.
    pub platform: bool,
}

/// Somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A program with an API key.
    Key {
        /// Which key.
        id: ApiKeyId,
        /// What else bounds it.
        bounds: Bounds,
    },
    /// A person who signed in.
    User {
        /// Who.
        id: UserId,
        /// What they are to their client.
        role: Role,
        /// By which login; `None` when an identity provider of the operator's signed them in.
        login: Option<LoginId>,
    },
}

/// What bounds a key besides its scopes. A key it makes may not go beyond them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Requests an hour.
    pub rate_limit: Option<u32>,
    /// Requests in its whole life.
    pub usage_quota: Option<u64>,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
}

impl Principal {
    /// Who acts, for an event's metadata.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self.who {
            Who::Key { id, .. } => Actor::ApiKey(id.0),
            Who::User { id, .. } => Actor::User(id.0),
        }
    }

    /// What bounds whatever this one makes.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        match self.who {
            Who::Key { bounds, .. } => bounds,
            Who::User { .. } => Bounds::default(),
        }
    }
}

impl Bounds {
    /// Whether something bounded like `other` is no stronger than something bounded like this.
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

/// What a role may do.
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
    ];
    const BUILD: &[&str] = &[
        "calls:write",
        "conversations:write",
        "ivr:write",
        "webhooks:write",
        "agents:write",
        "tools:write",
        "numbers:write",
        "keys:read",
        "providers:read",
    ];
    const LOOK_CLOSELY: &[&str] = &["keys:read", "users:read", "audit:read", "providers:read"];
    const ADMINISTER: &[&str] = &[
        "keys:read",
        "keys:write",
        "users:read",
        "users:write",
        "audit:read",
        "providers:read",
        "providers:write",
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
        assert_eq!(counts, [9, 13, 18, Scope::ALL.len()]);
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
        // who is known no more, which key opens no more, who signs in no more, whose account is gone
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
