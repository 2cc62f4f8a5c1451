//! The settings of a menu.

use serde::{Deserialize, Serialize};

use super::super::action::Action;
use super::super::hours::Hours;
use crate::ids::{AgentId, MenuId};

/// Longest wait for the first key where the client sets none.
pub const DEFAULT_TIMEOUT_MS: u64 = 5_000;
/// Longest wait for the next key where the client sets none.
pub const DEFAULT_INTER_DIGIT_MS: u64 = 2_000;
/// Wrong entries, and silences, that a visit has where the client sets no number.
pub const DEFAULT_RETRIES: u32 = 3;
/// Spoken after a wrong key where the client sets no other text.
pub const DEFAULT_INVALID_PROMPT: &str = "Sorry, that is not one of the choices.";
/// Spoken after a silence where the client sets no other text.
pub const DEFAULT_TIMEOUT_PROMPT: &str = "Sorry, I did not hear anything.";

/// All settings of a menu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuTerms {
    /// Shown to people, not spoken.
    pub name: String,
    /// Spoken when a caller enters the menu.
    pub prompt: String,
    /// Spoken when the menu is played again; `None`: the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_prompt: Option<String>,
    /// Keys and their actions.
    pub items: Vec<Item>,
    /// Longest wait for the first key.
    pub timeout_ms: u64,
    /// Longest wait for the next key.
    pub inter_digit_timeout_ms: u64,
    /// So many wrong entries, or so many silences, exhaust a visit.
    pub max_retries: u32,
    /// Spoken after a wrong entry, before the menu.
    pub invalid_prompt: String,
    /// Spoken after a silence, before the menu.
    pub timeout_prompt: String,
    /// Menu above this one, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_menu_id: Option<MenuId>,
    /// Action once a visit is exhausted.
    pub on_exhausted: Action,
    /// Keys with a fixed action.
    #[serde(default)]
    pub globals: Globals,
    /// Opening hours; `None`: always open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// A key and its action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// 1 to 8 of `0-9 * #`.
    pub digit: String,
    /// Shown to people, and spoken where the action collects digits without a prompt of its own.
    pub label: String,
    pub action: Action,
}

/// Keys with a fixed action; `None`: the menu has no such key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globals {
    /// Key that plays the menu again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// Key that returns to the previous menu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// Key that returns to the first menu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
    /// Key that leads to the client's default agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

impl Globals {
    /// Each key that is set: its name, the key, its action.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str, Action)> {
        [
            ("repeat", &self.repeat, Action::Repeat),
            ("back", &self.back, Action::Back),
            ("main", &self.main, Action::Main),
            ("operator", &self.operator, Action::Agent { agent: None }),
        ]
        .into_iter()
        .filter_map(|(name, key, action)| Some((name, key.as_deref()?, action)))
    }
}

impl MenuTerms {
    /// Every key with its action, the items first.
    pub fn keys(&self) -> impl Iterator<Item = (&str, Action)> {
        let items = self.items.iter().map(|item| (item.digit.as_str(), item.action.clone()));
        items.chain(self.globals.all().map(|(_, key, action)| (key, action)))
    }

    /// The length of the longest key, at least 1.
    #[must_use]
    pub fn longest_key(&self) -> usize {
        self.keys().map(|(key, _)| key.len()).max().unwrap_or(1).max(1)
    }

    /// `#` where some key has several digits and none contains `#`, else `None`.
    #[must_use]
    pub fn terminator(&self) -> Option<char> {
        let used = self.keys().any(|(key, _)| key.contains('#'));
        (self.longest_key() > 1 && !used).then_some('#')
    }

    /// What is spoken when the menu is played again.
    #[must_use]
    pub fn short(&self) -> &str {
        self.short_prompt.as_deref().unwrap_or(&self.prompt)
    }

    /// Every action of the menu, with the path of its field.
    pub fn actions(&self) -> impl Iterator<Item = (String, &Action)> {
        let items = self.items.iter().enumerate().map(|(at, item)| (format!("items[{at}]"), &item.action));
        let exhausted = std::iter::once(("on_exhausted".to_owned(), &self.on_exhausted));
        let closed = self.hours.iter().map(|hours| ("hours.closed".to_owned(), &hours.closed));
        items.chain(exhausted).chain(closed)
    }

    /// Menus it leads to, each with the path of its field.
    pub fn targets(&self) -> impl Iterator<Item = (String, MenuId)> {
        self.led_to(|action| match action {
            Action::Submenu { menu } => Some(*menu),
            _ => None,
        })
    }

    /// Agents it leads to by id, each with the path of its field.
    pub fn agents(&self) -> impl Iterator<Item = (String, AgentId)> {
        self.led_to(|action| match action {
            Action::Agent { agent } => *agent,
            _ => None,
        })
    }

    /// Addresses of the webhooks it calls, each with the path of its field.
    pub fn webhooks(&self) -> impl Iterator<Item = (String, String)> {
        let asked = self.led_to(|action| match action {
            Action::Webhook(webhook) => Some(webhook.url.clone()),
            _ => None,
        });
        asked.map(|(field, url)| (format!("{field}.url"), url))
    }

    fn led_to<T>(&self, wanted: fn(&Action) -> Option<T>) -> impl Iterator<Item = (String, T)> {
        self.actions().flat_map(move |(field, action)| {
            let mut path = field;
            action.all().filter_map(move |action| {
                let found = wanted(action).map(|found| (format!("{path}.target"), found));
                if let Some((name, _)) = action.inner() {
                    path = format!("{path}.target.{name}");
                }
                found
            })
        })
    }

    /// A copy with the changes of `patch`.
    #[must_use]
    pub fn with(&self, patch: &MenuPatch) -> Self {
        let mut terms = self.clone();
        fn set<T: Clone>(field: &mut T, new: &Option<T>) {
            if let Some(new) = new {
                field.clone_from(new);
            }
        }
        set(&mut terms.name, &patch.name);
        set(&mut terms.prompt, &patch.prompt);
        set(&mut terms.short_prompt, &patch.short_prompt);
        set(&mut terms.items, &patch.items);
        set(&mut terms.timeout_ms, &patch.timeout_ms);
        set(&mut terms.inter_digit_timeout_ms, &patch.inter_digit_timeout_ms);
        set(&mut terms.max_retries, &patch.max_retries);
        set(&mut terms.invalid_prompt, &patch.invalid_prompt);
        set(&mut terms.timeout_prompt, &patch.timeout_prompt);
        set(&mut terms.parent_menu_id, &patch.parent_menu_id);
        set(&mut terms.on_exhausted, &patch.on_exhausted);
        set(&mut terms.globals, &patch.globals);
        set(&mut terms.hours, &patch.hours);
        terms
    }
}

/// Changes to a menu; a field that is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MenuPatch {
    pub name: Option<String>,
    pub prompt: Option<String>,
    pub short_prompt: Option<Option<String>>,
    pub items: Option<Vec<Item>>,
    pub timeout_ms: Option<u64>,
    pub inter_digit_timeout_ms: Option<u64>,
    pub max_retries: Option<u32>,
    pub invalid_prompt: Option<String>,
    pub timeout_prompt: Option<String>,
    pub parent_menu_id: Option<Option<MenuId>>,
    pub on_exhausted: Option<Action>,
    pub globals: Option<Globals>,
    pub hours: Option<Option<Hours>>,
}
