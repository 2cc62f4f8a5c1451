//! A fake Telnyx: speaks its protocol faithfully, sends real signed webhooks, obeys real commands, and on demand
//! injects the faults that the real one is known for.
//!
//! ```text
//! place_call ─▶ leg ─▶ outbox ─▶ courier ──── signed webhooks ────▶ the server under test
//!                ▲                                                        │
//!                └── exchange ◀── server ◀── commands over HTTP ──────────┘
//! ```
//!
//! Every leg is a task that performs a script ([`CallScript`], [`CalleeScript`]) and the commands it receives.
//! Random decisions come from one seed ([`FakeConfig::seed`]); time from the [`Clock`](domain::ports::clock::Clock)
//! port. The [`Ledger`] records commands, webhooks and the expected outcome of calls.

mod answers;
mod chance;
mod config;
mod courier;
mod ending;
mod exchange;
mod fake;
mod ledger;
mod leg;
mod notice;
mod orders;
mod outbox;
mod paging;
mod performance;
mod recordings;
mod script;
mod server;
mod speech;

pub use chance::Dice;
pub use config::{FakeConfig, Mischief, Pace};
pub use fake::{CallHandle, FakeTelnyx, RawHeaders, StartError};
pub use ledger::{CallRecord, CommandRecord, Expected, Ledger, Totals, WebhookRecord};
pub use script::{CallScript, CalleeScript, Step, fictional_number};
