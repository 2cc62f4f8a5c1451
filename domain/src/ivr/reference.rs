//! Reservations of references to a menu, so that no menu is deleted while something comes to refer to it.
//!
//! A menu and what refers to it are streams of their own, and no append spans two streams. So a command that
//! is about to refer to a menu first notes that in a stream beside the menu's. A command that deletes a menu
//! first closes that stream, after which nothing can be noted, and then looks at what was noted a moment ago.
//! One of the two always finds the other.

use chrono::TimeDelta;
use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::envelope::{StreamId, Time, Version};
use crate::ids::MenuId;
use crate::wire::events;

/// Age at which a reservation or a closing counts as abandoned, because its author died. Far longer
/// than an append takes.
pub const ABANDONED: TimeDelta = TimeDelta::seconds(60);

events! {
    /// A stored fact about the references to a menu.
    pub enum MenuReferenceEvent {
        /// Something is about to refer to the menu.
        Noted(MenuReferenceNoted) = "menu_reference.noted" v 1,
        /// The menu is about to be deleted.
        Closed(MenuReferencesClosed) = "menu_reference.closed" v 1,
        /// The menu is not deleted after all.
        Reopened(MenuReferencesReopened) = "menu_reference.reopened" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuReferenceNoted {
    /// Category of the referring stream: `number` or `ivr_menu`.
    pub category: String,
    /// Id of the referring stream.
    pub id: Uuid,
    /// Version of the referring stream; its next event refers to the menu.
    pub version: Version,
    /// The reservation counts for [`ABANDONED`] from then on.
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuReferencesClosed {
    /// Nothing can be noted for [`ABANDONED`] from then on.
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuReferencesReopened {
    #[serde(with = "micros")]
    pub at: Time,
}

/// The stream of the references to a menu.
#[must_use]
pub fn references_of(menu: MenuId) -> StreamId {
    StreamId::new(MenuReferences::CATEGORY, menu.0)
}

/// A command about the references to a menu.
#[derive(Debug, Clone)]
pub enum MenuReferenceCommand {
    /// Note that the next event of `stream`, which is at `version`, refers to the menu.
    Note { stream: StreamId, version: Version, now: Time },
    /// Let nothing new refer to the menu.
    Close { now: Time },
    /// Take a closing back.
    Reopen { now: Time },
}

/// The menu is being deleted, so that nothing may refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the menu is being given up: look whether it is still there, and try again")]
pub struct MenuIsClosing;

/// State of the references to a menu; only the last event matters.
#[derive(Debug, Clone, Default)]
pub struct MenuReferences {
    closed_at: Option<Time>,
}

impl Aggregate for MenuReferences {
    const CATEGORY: &'static str = "menu_reference";
    type Command = MenuReferenceCommand;
    type Event = MenuReferenceEvent;
    type Refusal = MenuIsClosing;

    fn decide(&self, command: &MenuReferenceCommand) -> Result<Vec<MenuReferenceEvent>, MenuIsClosing> {
        match (command, self.closed_at) {
            (MenuReferenceCommand::Note { now, .. }, Some(closed)) if closed + ABANDONED > *now => {
                Err(MenuIsClosing)
            }
            (MenuReferenceCommand::Note { stream, version, now }, _) => {
                let (category, id) = (stream.category().to_owned(), stream.id());
                Ok(vec![MenuReferenceNoted { category, id, version: *version, at: *now }.into()])
            }
            (MenuReferenceCommand::Close { now }, _) => Ok(vec![MenuReferencesClosed { at: *now }.into()]),
            (MenuReferenceCommand::Reopen { .. }, None) => Ok(vec![]),
            (MenuReferenceCommand::Reopen { now }, Some(_)) => {
                Ok(vec![MenuReferencesReopened { at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &MenuReferenceEvent) {
        self.closed_at = match event {
            MenuReferenceEvent::Closed(closed) => Some(closed.at),
            MenuReferenceEvent::Noted(_) | MenuReferenceEvent::Reopened(_) => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    fn note(seconds: i64) -> MenuReferenceCommand {
        let stream = StreamId::new("number", Uuid::from_u128(7));
        MenuReferenceCommand::Note { stream, version: Version(3), now: at(seconds) }
    }

    #[test]
    fn nothing_comes_to_lead_to_a_menu_that_is_being_given_up() {
        let open = scenario::<MenuReferences>().when(note(1)).then_types(["menu_reference.noted"]).and();
        let closed = open.when(MenuReferenceCommand::Close { now: at(2) });
        let closed = closed.then([MenuReferencesClosed { at: at(2) }.into()]).and();
        closed.clone().when(note(3)).then_refused(MenuIsClosing);
        let reopened = closed.when(MenuReferenceCommand::Reopen { now: at(4) });
        let reopened = reopened.then_types(["menu_reference.reopened"]).and();
        reopened.clone().when(MenuReferenceCommand::Reopen { now: at(5) }).then_nothing();
        reopened.when(note(5)).then_types(["menu_reference.noted"]);
    }

    #[test]
    fn a_closing_whose_sender_died_ends() {
        let closed = scenario::<MenuReferences>().after([MenuReferenceCommand::Close { now: at(1) }]);
        closed.clone().when(note(60)).then_refused(MenuIsClosing);
        closed.when(note(61)).then_types(["menu_reference.noted"]);
    }
}
