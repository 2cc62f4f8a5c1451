//! What is about to lead to a menu: a reservation, so that no menu is given up meanwhile.
//!
//! A menu and what leads to it are streams of their own, and no append spans two streams. So whoever is about to lead
//! to a menu notes that first, in a stream beside the menu's; whoever gives a menu up closes that stream first, after
//! which nothing can be noted, and then looks at who noted something a moment ago. One of the two finds the other.

use chrono::TimeDelta;
use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::envelope::{StreamId, Time, Version};
use crate::ids::MenuId;
use crate::wire::events;

/// A reservation older than this is nobody's any more: whoever made it died over it. Far longer than an append takes.
pub const ABANDONED: TimeDelta = TimeDelta::seconds(60);

events! {
    /// A fact about what leads to a menu.
    pub enum MenuReferenceEvent {
        /// Something is about to lead to it.
        Noted(MenuReferenceNoted) = "menu_reference.noted" v 1,
        /// It is about to be given up.
        Closed(MenuReferencesClosed) = "menu_reference.closed" v 1,
        /// It is not given up after all.
        Reopened(MenuReferencesReopened) = "menu_reference.reopened" v 1,
    }
}

/// See [`MenuReferenceEvent::Noted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuReferenceNoted {
    /// Category of the stream that is about to lead to the menu: `number` or `ivr_menu`.
    pub category: String,
    /// Id of that stream.
    pub id: Uuid,
    /// Version of that stream; what leads to the menu is its next event.
    pub version: Version,
    /// When it was noted; it counts for [`ABANDONED`] from then.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`MenuReferenceEvent::Closed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuReferencesClosed {
    /// When it was closed; nothing is noted for [`ABANDONED`] from then.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`MenuReferenceEvent::Reopened`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuReferencesReopened {
    /// When it was taken back.
    #[serde(with = "micros")]
    pub at: Time,
}

/// The stream of what leads to a menu.
#[must_use]
pub fn references_of(menu: MenuId) -> StreamId {
    StreamId::new(MenuReferences::CATEGORY, menu.0)
}

/// What may be asked.
#[derive(Debug, Clone)]
pub enum MenuReferenceCommand {
    /// Note that the next event of `stream`, which is at `version`, leads to the menu.
    Note {
        /// What is about to lead to it.
        stream: StreamId,
        /// The version that stream has before the event.
        version: Version,
        /// Now.
        now: Time,
    },
    /// Let nothing more lead to it.
    Close {
        /// Now.
        now: Time,
    },
    /// It stays.
    Reopen {
        /// Now.
        now: Time,
    },
}

/// Why nothing may lead to a menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the menu is being given up: look whether it is still there, and try again")]
pub struct MenuIsClosing;

/// What leads to a menu, as its rules see it: what happened last is enough.
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
