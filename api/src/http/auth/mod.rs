//! Who is calling, and what they may do.
//!
//! A handler's signature says it all: `caller: Caller<CallsRead>` answers 401 without a key, 403 without the
//! scope `calls:read`, and otherwise holds the client everything is to be done for.

mod caller;
mod directory;
mod plain_key;
mod scope;

pub use caller::Caller;
pub use directory::{KeyDirectory, KeyHash, Keys, Principal};
pub use plain_key::{MalformedKey, PlainKey};
pub use scope::{Anything, Permission, Scope, Scopes, UnknownScope, permissions};
