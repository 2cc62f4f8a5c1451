//! A call: the commands it takes, the facts they lead to, and the work that follows from facts.
//!
//! [`CallCommand`] → `decide` → [`CallEvent`]s → `evolve` → [`Call`]; [`react`](fn@react) turns each fact into
//! work for the outbox.
//!
//! # The life of a call
//!
//! ```text
//!  outbound  call.queued                                                     inbound  call.received
//!                │                                                                        │
//!                ▼            dial_postponed                                              │
//!            ┌────────┐ ◀───────────────────────┐                                         │
//!            │ queued │                         │                                         │
//!            └────────┘ ── dial_started ──▶ ┌─────────┐                                   │
//!                │                          │ dialing │                                   │
//!                │       ┌─ dial_unknown ── └─────────┘                                   │
//!                │       ▼                      │ dial_accepted, ringing                  │
//!                │  ┌──────────────┐            ▼                                         ▼
//!                │  │ dial_unknown │ ────▶ ┌─────────┐ ◀──────────────────────────────────┘
//!                │  └──────────────┘       │ ringing │   answer_requested or reject_requested
//!                │       │                 └─────────┘
//!                │       │                      │ answered
//!                │       │                      ▼
//!                │       │               ┌─────────────┐  speech, keys, lines, recordings,
//!                │       │               │ in_progress │  transfer_requested → _connected or _failed
//!                │       │               └─────────────┘
//!                ▼       ▼                      ▼
//!            ┌──────────────────── call.ended ─────────────────────┐
//!            │ failed: never connected,     │ ended: it connected  │  still to come: recording_saved,
//!            │ or broken by a fault         │                      │  cost_recorded, late lines, answered
//!            └──────────────────────────────┴──────────────────────┘
//! ```
//!
//! - Any webhook may be the first, come twice, or come after the end. The call always records it
//!   (`call.carrier_event_received`) and ends up the same in whatever order webhooks come: `call.received` begins the
//!   call, `call.leg_identified` adds what the first webhook lacked.
//! - Nothing leaves a terminal status. An `answered` reported after the end only shows that the call had connected,
//!   which can turn `failed` into `ended`; a `ringing` reported after the answer or the end changes no status.
//! - A call whose leg is found gone, without a hang-up webhook, ends as `unknown`. What the carrier reports of the
//!   end later replaces that, once (`end_explained`), and may turn `failed` into `ended` or back. So does a transfer
//!   that is reported as connected after the end: the end was that of a transferred call.
//! - `hangup_requested` changes no status: the call goes on until the carrier says that it is over. A queued call,
//!   or one whose dial was put off, is over at once.
//! - Between two `dial_started` always stands `dial_postponed`. After `dial_unknown` we ask the carrier for the call
//!   and never dial again.
//! - Every `…_requested` fact is a command to the carrier under one id, pending until `command_accepted`,
//!   `command_failed` or the end. A failed command ends the call only where it leaves no way to take or end it.

mod agent;
mod command;
mod decide;
mod ending;
mod event;
mod handle_report;
mod identify;
mod ivr;
mod keys;
mod outgoing;
mod react;
pub mod report;
mod state;
pub mod terms;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use command::{
    CallCommand, CallRefusal, GatherOrder, MAX_DTMF_DIGITS, MAX_DURATION_MS, MAX_METADATA_BYTES,
    MAX_METADATA_KEYS, MAX_SPEECH_CHARS, Outcome, Queue, RING_TIMEOUT_MS, Routing, Timer,
};
pub(crate) use decide::metadata_faults;
pub use ending::fault_of;
pub use event::*;
pub use handle_report::{DEFAULT_GREETING, INBOUND_RING_TIMEOUT};
pub use ivr::GatherSpec;
pub use outgoing::Outgoing;
pub use react::{Reaction, Work, react};
pub use state::{Call, terminal_status};

use crate::aggregate::Aggregate;

/// Longest call where the client sets no limit: the carrier's own limit, 4 hours.
pub const DEFAULT_MAX_DURATION: Duration = Duration::from_secs(14_400);
/// Longest ringing of an outbound call where the client sets no limit.
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

    fn to_snapshot(&self) -> Option<Vec<u8>> {
        Some(crate::wire::to_bytes(self)).filter(|bytes| !bytes.is_empty())
    }

    fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        crate::wire::from_bytes(Self::CATEGORY, bytes).ok()
    }
}
