//! What can happen to a menu. These shapes are stored for ever: see `wire` before changing one.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::terms::MenuTerms;
use crate::envelope::Time;
use crate::wire::events;

events! {
    /// A stored fact of a menu.
    pub enum MenuEvent {
        /// A client created the menu.
        Created(MenuCreated) = "ivr_menu.created" v 1,
        /// A client edited the menu.
        Updated(MenuUpdated) = "ivr_menu.updated" v 1,
        /// A client deleted the menu.
        Deleted(MenuDeleted) = "ivr_menu.deleted" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuCreated {
    pub terms: Box<MenuTerms>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuUpdated {
    pub before: Box<MenuTerms>,
    pub after: Box<MenuTerms>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuDeleted {
    #[serde(with = "micros")]
    pub at: Time,
}
