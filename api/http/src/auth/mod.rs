//! Authentication and authorisation.
//!
//! A handler's signature says it all: `caller: Caller<CallsRead>` answers 401 without credentials, 403 without the
//! scope `calls:read`, and otherwise holds the client on whose behalf the handler acts.

mod caller;
mod directory;
mod external;
mod password;
mod plain_key;
mod principal;
mod refused_tokens;
mod scope;
mod tokens;
mod warrant;
mod watchers;

pub use caller::Caller;
pub(crate) use caller::{LetThrough, enforce_limits, identify, identify_again};
pub use directory::{Authenticator, Bearer, Directory, KeyProblem};
pub use external::{ExternalIdentities, Guest, GuestRules, NoKeys};
pub use password::{BadPassword, Passwords};
pub use plain_key::{MalformedKey, PlainKey};
pub use principal::{Bounds, Principal, Who, scopes_of};
pub use projections::api_keys::KeyHash;
pub use scope::{AnyCredential, Permission, Scope, Scopes, UnknownScope, permissions};
pub use tokens::{Fault, Jwks, LIFETIME, TokenProblem, Tokens};
pub use warrant::Warrant;
pub use watchers::{Watched, Watchers};
