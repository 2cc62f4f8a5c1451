//! Actix shells around the domain: one actor per live call, the registry that wakes and rests them, the way a
//! carrier's webhook takes to its call, and the process manager that turns facts into effects and timers.
//!
//! The shells are thin. What a call does is decided in `domain`; loading, deciding, appending and evolving is
//! plain async Rust in [`session`], tested without actix. This crate refuses to know HTTP, SQL and the views.

pub mod call;
pub mod carrier;
pub mod context;
pub mod conversation;
pub mod directory;
pub mod history;
pub mod ivr;
pub mod live;
pub mod privacy;
pub mod runtime;
pub mod sealer;
pub mod session;
pub mod signing;
pub mod webhooks;
pub mod work;

pub use context::{Appends, CommandContext};
pub use runtime::{Runtime, TraceHooks};
pub use session::{CommandError, Receipt, Session};
