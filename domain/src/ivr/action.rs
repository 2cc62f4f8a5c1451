//! What a menu can do on a key.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{AgentId, MenuId};
use crate::personal::Personal;
use crate::phone::Party;

/// Most digits a caller may enter at once: what a carrier gathers at most.
pub const MAX_INPUT: usize = 128;

/// What a menu does on a key, or once a caller has used up the tries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    Submenu {
        menu: MenuId,
    },
    /// Return to the previous menu.
    Back,
    /// Return to the first menu.
    Main,
    /// Play the same menu again.
    Repeat,
    /// Speak a text, then the menu again.
    Say {
        /// At most 1000 characters, so that carriers speak it together with the prompt that follows.
        text: String,
    },
    /// Ask the caller for digits.
    Collect(Box<Collect>),
    /// Hand the call to an agent.
    Agent {
        /// `None`: the client's default agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
    },
    /// Hand the call to another party.
    Transfer {
        /// E.164 or a SIP URI.
        to: Personal<Party>,
    },
    /// Ask the client's own system what to do.
    Webhook(Box<Webhook>),
    Hangup,
}

impl Action {
    /// Names of all actions, as stored and shown.
    pub const NAMES: [&'static str; 10] =
        ["submenu", "back", "main", "repeat", "say", "collect", "agent", "transfer", "webhook", "hangup"];

    /// Name as stored and shown, for example `submenu`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Action::Submenu { .. } => "submenu",
            Action::Back => "back",
            Action::Main => "main",
            Action::Repeat => "repeat",
            Action::Say { .. } => "say",
            Action::Collect(_) => "collect",
            Action::Agent { .. } => "agent",
            Action::Transfer { .. } => "transfer",
            Action::Webhook(_) => "webhook",
            Action::Hangup => "hangup",
        }
    }

    /// The action nested in this one, with the name of its field.
    #[must_use]
    pub fn inner(&self) -> Option<(&'static str, &Action)> {
        match self {
            Action::Collect(collect) => Some(("then", &collect.then)),
            Action::Webhook(webhook) => Some(("on_error", &webhook.on_error)),
            _ => None,
        }
    }

    /// This action and all that are nested in it.
    pub fn all(&self) -> impl Iterator<Item = &Action> {
        std::iter::successors(Some(self), |action| action.inner().map(|(_, inner)| inner))
    }
}

/// How to collect digits from the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collect {
    /// Name the digits are stored under.
    pub name: String,
    /// What the caller hears; `None`: the label of the menu's option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    pub min_digits: u32,
    pub max_digits: u32,
    /// Key that ends the entry early: `*` or `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminator: Option<char>,
    /// Whether the digits are secret; then only their number is stored.
    pub secret: bool,
    /// Action once the digits are collected.
    pub then: Action,
}

/// A request to the client's own system, which decides what comes next.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    pub url: String,
    /// Longest wait for the answer, 100 to 10000.
    pub timeout_ms: u64,
    /// Action when it fails, takes too long, or answers something we cannot read.
    pub on_error: Action,
}

impl fmt::Debug for Webhook {
    // an address may hold a secret
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("timeout_ms", &self.timeout_ms).finish_non_exhaustive()
    }
}
