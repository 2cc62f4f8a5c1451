//! What a key can lead to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{AgentId, MenuId};
use crate::personal::Personal;
use crate::phone::Party;

/// Digits a caller may key at once, at most: what a carrier gathers at most.
pub const MAX_INPUT: usize = 128;

/// What a key leads to, or what is done when nobody keys anything right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// To another menu.
    Submenu {
        /// Which.
        menu: MenuId,
    },
    /// To the menu before.
    Back,
    /// To the first menu.
    Main,
    /// The same menu again.
    Repeat,
    /// Speak a text, then the menu again.
    Say {
        /// 1 to 3000 characters with the prompt that follows it.
        text: String,
    },
    /// Ask for digits.
    Collect(Box<Collect>),
    /// To an agent.
    Agent {
        /// Which; the client's default agent if none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
    },
    /// To another party.
    Transfer {
        /// E.164 or a SIP URI.
        to: Personal<Party>,
    },
    /// Ask the client's own system what to do.
    Webhook(Box<Webhook>),
    /// End the call.
    Hangup,
}

impl Action {
    /// The words of all actions.
    pub const NAMES: [&'static str; 10] =
        ["submenu", "back", "main", "repeat", "say", "collect", "agent", "transfer", "webhook", "hangup"];

    /// Its word.
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

    /// What may follow from it besides itself.
    #[must_use]
    pub fn inner(&self) -> Option<(&'static str, &Action)> {
        match self {
            Action::Collect(collect) => Some(("then", &collect.then)),
            Action::Webhook(webhook) => Some(("on_error", &webhook.on_error)),
            _ => None,
        }
    }

    /// It and everything that may follow from it.
    pub fn all(&self) -> impl Iterator<Item = &Action> {
        std::iter::successors(Some(self), |action| action.inner().map(|(_, inner)| inner))
    }
}

/// Digits to ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collect {
    /// Under which name they are kept.
    pub name: String,
    /// What the caller hears; the option's label if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// At least so many.
    pub min_digits: u32,
    /// At most so many.
    pub max_digits: u32,
    /// The key that ends them before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminator: Option<char>,
    /// Whether they are kept from everybody: only their number is known.
    pub secret: bool,
    /// What comes after.
    pub then: Action,
}

/// The client's own system, to be asked.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// How long it may take.
    pub timeout_ms: u64,
    /// What comes when it fails, takes too long, or answers what cannot be understood.
    pub on_error: Action,
}

impl fmt::Debug for Webhook {
    // an address may hold a secret
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("timeout_ms", &self.timeout_ms).finish_non_exhaustive()
    }
}
