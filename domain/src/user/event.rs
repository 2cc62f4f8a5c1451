//! Events of a user and their payloads.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::role::Role;
use crate::envelope::Time;
use crate::origin::Origin;
use crate::personal::Personal;
use crate::ports::vault::Sealed;
use crate::wire::events;

events! {
    pub enum UserEvent {
        Created(UserCreated) = "user.created" v 1,
        /// The user's role or access was changed.
        Updated(UserUpdated) = "user.updated" v 1,
        /// The user has another password; whoever signed in with the old one is signed out.
        PasswordChanged(PasswordChanged) = "user.password_changed" v 1,
        /// The user is signed out everywhere.
        SignedOut(SignedOut) = "user.signed_out" v 1,
        /// Somebody gave a wrong password for the user.
        LoginFailed(LoginFailed) = "user.login_failed" v 1,
        Deleted(UserDeleted) = "user.deleted" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserCreated {
    /// The address they sign in with, in lower case.
    pub email: Personal<String>,
    /// The password's Argon2id hash in PHC form, sealed by the vault.
    pub password: Sealed,
    pub role: Role,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Settings of a user that can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTerms {
    pub role: Role,
    /// Whether they may sign in.
    pub enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserUpdated {
    pub before: UserTerms,
    pub after: UserTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// The Argon2id hash in PHC form, sealed by the vault.
    pub password: Sealed,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignedOut {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoginFailed {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserDeleted {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}
