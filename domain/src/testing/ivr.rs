//! Fixtures for scenarios of menus. All ids and texts are invented and fixed.

use std::sync::Arc;

use uuid::Uuid;

use crate::envelope::Version;
use crate::ids::{IvrSessionId, MenuId};
use crate::ivr::action::Action;
use crate::ivr::book::{Book, Page};
use crate::ivr::menu::{Globals, Item, MenuTerms};
use crate::zones::Zones;

pub const SESSION: IvrSessionId = IvrSessionId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0051));

/// Id of the `n`th menu.
#[must_use]
pub const fn menu_id(n: u128) -> MenuId {
    MenuId(Uuid::from_u128(0x0193_0000_0000_7000_a000_0000_0000_0000 | n))
}

/// A menu with these keys and default settings.
#[must_use]
pub fn menu(name: &str, items: Vec<Item>) -> MenuTerms {
    MenuTerms {
        name: name.to_owned(),
        prompt: format!("{name}."),
        short_prompt: None,
        items,
        timeout_ms: 5_000,
        inter_digit_timeout_ms: 2_000,
        max_retries: 3,
        invalid_prompt: "Wrong.".to_owned(),
        timeout_prompt: "Silence.".to_owned(),
        parent_menu_id: None,
        on_exhausted: Action::Hangup,
        globals: Globals::default(),
        hours: None,
    }
}

/// A key and what it leads to.
#[must_use]
pub fn item(digit: &str, action: Action) -> Item {
    Item { digit: digit.to_owned(), label: format!("Option {digit}"), action }
}

/// An action that leads to the `n`th menu.
#[must_use]
pub const fn submenu(n: u128) -> Action {
    Action::Submenu { menu: menu_id(n) }
}

/// Menus by their numbers, each in its first version.
#[must_use]
pub fn book(menus: impl IntoIterator<Item = (u128, MenuTerms)>) -> Book {
    let page = |(n, terms)| Page { id: menu_id(n), version: Version(1), terms: Arc::new(terms) };
    Book::of(Zones::bundled(), menus.into_iter().map(page))
}
