//! The port that looks up keys and users.

use std::fmt;
use std::sync::Arc;

use domain::envelope::Time;
use domain::ids::{LoginId, UserId};
use domain::ports::clock::Clock;
use projections::api_keys::KeyHash;

use super::external::{ExternalIdentities, Guest};
use super::principal::Principal;
use super::tokens::Tokens;
use super::watchers::Watched;

/// Why an API key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProblem {
    /// No key has this hash, or the key was deleted.
    Unknown,
    Expired,
    Revoked,
    Disabled,
}

/// UniqueNames of an access token that this node issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    pub user: UserId,
    /// Login that the token was issued for.
    pub login: LoginId,
    pub issued_at: Time,
    pub expires_at: Time,
}

/// Every key and user who has rights now. Asked once per request on the request's thread, so
/// it answers from memory.
///
/// Hashes may be compared and looked up without constant time: an attacker who guesses keys cannot choose the hash
/// of a guess, so the time of a look-up reveals nothing about a key.
pub trait Directory: fmt::Debug + Send + Sync {
    /// Looks up the key with this hash.
    fn key(&self, hash: &KeyHash) -> Result<Principal, KeyProblem>;

    /// The user of a valid token; `None` if they were signed out, disabled or removed since.
    fn bearer(&self, bearer: &Bearer) -> Option<Principal>;

    /// The principal of an identity provider's token; `None` if the client it names is unknown.
    fn guest(&self, guest: &Guest) -> Option<Principal>;

    /// When the key with this hash expires; `None` if it never does.
    fn end_of_key(&self, hash: &KeyHash) -> Option<Time>;

    /// Subscribes to changes of the rights of a key or user; `None` from a directory that never changes.
    fn watch(&self, principal: &Principal) -> Option<Watched>;
}

/// Everything that authenticates requests, as app data: `app_data(web::Data::new(authenticator))`.
#[derive(Debug, Clone)]
pub struct Authenticator {
    pub directory: Arc<dyn Directory>,
    /// Issues and reads this node's access tokens.
    pub tokens: Arc<Tokens>,
    /// Tokens of the operator's identity provider; `None` without one.
    pub guests: Option<Arc<ExternalIdentities>>,
    /// Clock that expiry times are compared with.
    pub clock: Arc<dyn Clock>,
}
