//! A fake Telnyx: speaks its protocol faithfully, sends real signed webhooks, obeys real commands, and on demand
//! injects the faults that the real one is known for.
//!
//! ```text
//! place_call ─▶ leg ─▶ outbox ─▶ courier ──── signed webhooks ────▶ the server under test
//!                ▲                                                        │
//!                └── switch ◀── server ◀── commands over HTTP ──────────┘
//! ```
//!
//! Every leg is a task that performs a script ([`CallScript`], [`CalleeScript`]) and the commands it receives.
//! Random decisions come from one seed ([`FakeConfig::seed`]); time from the [`Clock`](domain::ports::clock::Clock)
//! port. The [`Ledger`] records commands, webhooks and the expected outcome of calls.

mod answers;
mod chance;
mod config;
mod courier;
mod detail_records;
mod ending;
mod fake;
mod ledger;
mod leg;
mod leg_task;
mod notice;
mod orders;
mod outbox;
mod paging;
mod recordings;
mod script;
mod server;
mod speech;
mod switch;

pub use chance::SeededRandom;
pub use config::{CarrierFaults, FakeConfig, Pace};
pub use detail_records::ChargedLeg;
pub use fake::{CallHandle, FakeTelnyx, RawHeaders, StartError};
pub use ledger::{CallRecord, CommandRecord, Expected, Ledger, Totals, WebhookRecord};
pub use script::{CallScript, CalleeScript, Step, fictional_number};
