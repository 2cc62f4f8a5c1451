//! Actix shells around the domain: one actor per live call, the registry that activates and passivates them, the
//! routing of carriers' webhooks to calls, and the process managers that turn events into effects and timers.
//!
//! The shells are thin. `domain` decides what a call does; loading, deciding, appending and evolving is plain
//! async Rust in [`session`], tested without actix. This crate must not depend on HTTP, SQL or the views.

pub mod billing;
pub mod call;
pub mod carrier;
pub mod catch_up;
pub mod context;
pub mod conversation;
pub mod directory;
pub mod entity;
pub mod history;
pub mod hosted;
pub mod ivr;
pub mod knowledge;
pub mod memory;
pub mod outbox;
pub mod privacy;
pub mod runtime;
pub mod sealer;
pub mod session;
pub mod signing;
pub mod uploads;
pub mod webhooks;

pub use context::{Appends, CommandContext};
pub use runtime::{Runtime, TraceHooks};
pub use session::{CommandError, Receipt, Session};
