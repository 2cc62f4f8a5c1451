//! The way to clients' endpoints: HTTP to addresses that may be delivered to, and to no other.

mod addresses;
mod guard;
mod sender;

pub use addresses::is_public;
pub use guard::{Guard, Lookup, SystemLookup, UrlFault};
pub use sender::{HttpSender, SenderConfig};
