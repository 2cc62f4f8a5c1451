//! Where keys are looked up.

use std::fmt;
use std::sync::Arc;

use domain::envelope::Actor;
use domain::ids::{ApiKeyId, ClientId};

use super::scope::Scopes;

/// SHA-256 of a key in plain text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<key hash>")
    }
}

/// Who a key belongs to and what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The tenant everything is done for.
    pub client: ClientId,
    /// The key.
    pub key: ApiKeyId,
    /// What it may do.
    pub scopes: Scopes,
}

impl Principal {
    /// Who acts, for an event's metadata.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::ApiKey(self.key.0)
    }
}

/// Every key that may be used now. Asked once a request, on the request's thread: it answers from memory.
///
/// A hash may be compared and looked up like any other value. Whoever guesses keys cannot steer the hash of the
/// guess, so how long a look-up takes tells nothing about a key.
pub trait KeyDirectory: fmt::Debug + Send + Sync {
    /// Whose key has this hash.
    fn find(&self, hash: &KeyHash) -> Option<Principal>;
}

/// The directory, as the app's data: `app_data(web::Data::new(Keys(directory)))`.
#[derive(Debug, Clone)]
pub struct Keys(pub Arc<dyn KeyDirectory>);
