//! Sends webhooks to clients' endpoints: HTTP to allowed addresses only.

mod addresses;
mod guard;
mod sender;

pub use addresses::is_public;
pub(crate) use guard::is_blocked;
pub use guard::{Guard, Lookup, SystemLookup, UrlFault};
pub use sender::{HttpSender, SenderConfig};
