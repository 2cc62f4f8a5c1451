//! An IVR session: one caller's way through menus.
//!
//! [`SessionCommand`] → `decide` → [`SessionEvent`]s → `evolve` → [`IvrSession`]; [`react`](fn@react) turns each fact into
//! work for the outbox, and [`IvrSession::order`] says what the call of a live session has to do now.
//!
//! # The life of a session
//!
//! ```text
//!  started ─▶ menu_entered ─▶ prompted ◀──────────────┐ submenu, back, main, repeat, say: another turn
//!               │ closed?        │ keys or silence     │
//!               │                ▼                     │ invalid, silent: again, until the visit is exhausted
//!               │            step_taken ───────────────┘
//!               │                │ collect ─▶ collect_began ─▶ prompted ─▶ step_taken ─▶ collected ─▶ then
//!               │                │ webhook ─▶ webhook_requested ─▶ webhook_answered ─▶ what it says, or on_error
//!               │                │ transfer ─▶ transfer_requested ─▶ transfer_failed ─▶ prompted
//!               ▼                ▼ agent, transfer, hangup
//!             ended: completed │ abandoned (the caller hung up) │ exhausted (budgets or turns used up)
//! ```
//!
//! - What a session waits for has an id, the *ask*. A carrier's answer names the ask it answers. The session ignores
//!   an answer to an earlier ask, and the repeat of a webhook or a command.
//! - A menu is entered in its newest version and kept in that version for as long as the session lasts.
//! - Every prompt sets the session's one timer; a late timer finds another ask and changes nothing.
//! - Digits of a secret collection stand in no event and in no state, only their number does.

mod command;
mod decide;
mod event;
mod order;
mod react;
mod simulate;
mod state;
#[cfg(test)]
mod tests;
mod walk;

pub use command::{Answered, Keyed, SessionCommand, SessionRefusal, Source, StepAnswer};
pub use decide::are_keys;
pub use event::*;
pub use order::Order;
pub(crate) use react::SAFETY_NET;
pub use react::react;
pub use simulate::{SimulatedInput, SimulatedStep, Simulation, simulate};
pub use state::{Ask, Asked, IvrSession, Waiting};
pub(crate) use walk::speech;

use crate::aggregate::Aggregate;

/// Most menus on a session's stack; beyond that the session forgets the oldest one above the first menu.
pub const MAX_STACK: usize = 10;
/// A session is exhausted after so many turns.
pub const MAX_TURNS: u32 = 30;

impl Aggregate for IvrSession {
    const CATEGORY: &'static str = crate::ids::IvrSessionId::CATEGORY;
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Refusal = SessionRefusal;

    fn decide(&self, command: &SessionCommand) -> Result<Vec<SessionEvent>, SessionRefusal> {
        self.decide_on(command)
    }

    fn evolve(&mut self, event: &SessionEvent) {
        self.apply(event);
    }
}
