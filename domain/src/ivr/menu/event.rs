//! What can happen to a menu. These shapes are stored for ever: see `wire` before changing one.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::terms::MenuTerms;
use crate::envelope::Time;
use crate::wire::events;

events! {
    /// A fact of a menu's life.
    pub enum MenuEvent {
        /// It was made.
        Created(MenuCreated) = "ivr_menu.created" v 1,
        /// It was edited.
        Updated(MenuUpdated) = "ivr_menu.updated" v 1,
        /// It was given up.
        Deleted(MenuDeleted) = "ivr_menu.deleted" v 1,
    }
}

/// See [`MenuEvent::Created`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuCreated {
    /// All of it.
    pub terms: Box<MenuTerms>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`MenuEvent::Updated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuUpdated {
    /// As it was.
    pub before: Box<MenuTerms>,
    /// As it is.
    pub after: Box<MenuTerms>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`MenuEvent::Deleted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuDeleted {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
