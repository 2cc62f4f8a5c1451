//! Where keys and users are looked up.

use std::fmt;
use std::sync::Arc;

use domain::envelope::Time;
use domain::ids::{LoginId, UserId};
use domain::ports::clock::Clock;
use projections::api_keys::KeyHash;

use super::guests::{Guest, Guests};
use super::principal::Principal;
use super::tokens::Tokens;
use super::watchers::Watched;

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProblem {
    /// Nobody has it, or it was deleted.
    Unknown,
    /// It was for a time that is over.
    Expired,
    /// It was ended.
    Revoked,
    /// It is switched off.
    Disabled,
}

/// What an access token says of its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// Who.
    pub user: UserId,
    /// By which login.
    pub login: LoginId,
    /// When it was given out.
    pub issued_at: Time,
    /// From then on it opens nothing.
    pub expires_at: Time,
}

/// Everybody who may do something now. Asked once a request, on the request's thread: it answers from memory.
///
/// A hash may be compared and looked up like any other value. Whoever guesses keys cannot steer the hash of the
/// guess, so how long a look-up takes tells nothing about a key.
pub trait Directory: fmt::Debug + Send + Sync {
    /// Whose key has this hash.
    ///
    /// # Errors
    /// See [`KeyProblem`].
    fn key(&self, hash: &KeyHash) -> Result<Principal, KeyProblem>;

    /// The user a valid token speaks of, unless they were signed out, disabled or removed since.
    fn bearer(&self, bearer: &Bearer) -> Option<Principal>;

    /// Somebody the identity provider vouches for, unless the client they name is unknown.
    fn guest(&self, guest: &Guest) -> Option<Principal>;

    /// When the key with this hash ends by itself; `None` if it does not.
    fn end_of_key(&self, hash: &KeyHash) -> Option<Time>;

    /// Hears when the rights of the key or user change; `None` from a directory in which nothing does.
    fn watch(&self, principal: &Principal) -> Option<Watched>;
}

/// What requests are checked with, as the app's data: `app_data(web::Data::new(doorkeeper))`.
#[derive(Debug, Clone)]
pub struct Doorkeeper {
    /// Who may do something.
    pub directory: Arc<dyn Directory>,
    /// Access tokens.
    pub tokens: Arc<Tokens>,
    /// Tokens of the operator's identity provider, if there is one.
    pub guests: Option<Arc<Guests>>,
    /// What ends are held against.
    pub clock: Arc<dyn Clock>,
}
