//! Facts of a user's life.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::role::Role;
use crate::envelope::Time;
use crate::origin::Origin;
use crate::personal::Personal;
use crate::ports::vault::Sealed;
use crate::wire::events;

events! {
    /// A fact of a user's life.
    pub enum UserEvent {
        /// The user exists.
        Created(UserCreated) = "user.created" v 1,
        /// Their role or their access was changed.
        Updated(UserUpdated) = "user.updated" v 1,
        /// They have another password; who signed in with the old one is signed out.
        PasswordChanged(PasswordChanged) = "user.password_changed" v 1,
        /// They are signed out everywhere.
        SignedOut(SignedOut) = "user.signed_out" v 1,
        /// Somebody gave a wrong password for them.
        LoginFailed(LoginFailed) = "user.login_failed" v 1,
        /// They are gone.
        Deleted(UserDeleted) = "user.deleted" v 1,
    }
}

/// See [`UserEvent::Created`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserCreated {
    /// What they sign in with, in lower case.
    pub email: Personal<String>,
    /// The password's Argon2id hash in PHC form, sealed by the vault.
    pub password: Sealed,
    /// What they may do.
    pub role: Role,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// What of a user can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTerms {
    /// What they may do.
    pub role: Role,
    /// Whether they may sign in.
    pub enabled: bool,
}

/// See [`UserEvent::Updated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserUpdated {
    /// What held.
    pub before: UserTerms,
    /// What holds.
    pub after: UserTerms,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`UserEvent::PasswordChanged`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// As [`UserCreated::password`].
    pub password: Sealed,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`UserEvent::SignedOut`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignedOut {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`UserEvent::LoginFailed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoginFailed {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`UserEvent::Deleted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserDeleted {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
