//! A call: what may be asked of it, what happened to it, and what follows.
//!
//! [`CallCommand`] → `decide` → [`CallEvent`]s → `evolve` → [`Call`]; [`react`] turns each fact into the work
//! that is to be done in the world.

mod command;
mod decide;
mod ending;
mod event;
mod identify;
mod outgoing;
mod react;
pub mod report;
mod state;
mod take_report;
pub mod terms;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use command::{
    CallCommand, CallRefusal, MAX_DTMF_DIGITS, MAX_DURATION_MS, MAX_METADATA_BYTES, MAX_METADATA_KEYS,
    MAX_SPEECH_CHARS, Outcome, Queue, RING_TIMEOUT_MS, Routing, Timer,
};
pub use ending::fault_of;
pub use event::*;
pub use outgoing::Outgoing;
pub use react::{Reaction, Work, react};
pub use state::{Call, terminal_status};
pub use take_report::{DEFAULT_GREETING, INBOUND_RING_TIMEOUT};

use crate::aggregate::Aggregate;

/// How long a call may last when nobody says otherwise: the carrier's own limit, 4 hours.
pub const DEFAULT_MAX_DURATION: Duration = Duration::from_secs(14_400);
/// How long an outbound call may ring when nobody says otherwise.
pub const DEFAULT_RING_TIMEOUT: Duration = Duration::from_secs(30);

impl Aggregate for Call {
    const CATEGORY: &'static str = crate::ids::CallId::CATEGORY;
    type Command = CallCommand;
    type Event = CallEvent;
    type Refusal = CallRefusal;

    fn decide(&self, command: &CallCommand) -> Result<Vec<CallEvent>, CallRefusal> {
        self.decide_on(command)
    }

    fn evolve(&mut self, event: &CallEvent) {
        self.apply(event);
    }
}
