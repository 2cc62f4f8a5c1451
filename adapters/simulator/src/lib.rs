//! A carrier to try things with: it speaks Telnyx's protocol, places and takes calls against a running node, and finally
//! compares the node's record of every call with what really happened on the line.
//!
//! [`FakeTelnyx`](fake_telnyx::FakeTelnyx) is the carrier alone, for tests; [`play()`] places the calls of a [`Traffic`],
//! which [`planned`](plan::planned) decides from a seed.

pub mod demo_credit;
pub mod demo_menus;
pub mod expect;
pub mod fake_stripe;
pub mod fake_telnyx;
pub mod fake_ultravox;
pub mod node;
pub mod plan;
mod play;
mod progress;
mod settings;
mod traffic;
mod webhook_receiver;

pub use expect::{Comparison, SimulatedCall};
pub use node::NodeApi;
pub use plan::{OUR_NUMBER, callees};
pub use play::{Outcome, Stage, play};
pub use settings::CarrierSettings;
pub use traffic::Traffic;
pub use webhook_receiver::WebhookReceiver;
