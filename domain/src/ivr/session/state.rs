//! The state of a session, folded from its events.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::action::{Collect, Webhook};
use super::MAX_STACK;
use super::event::{EndCause, SessionEnded, SessionEvent, SessionStatus};
use crate::envelope::{Time, Version};
use crate::ids::{CallId, IvrSessionId, MenuId, derive};
use crate::personal::Personal;
use crate::phone::Party;

/// A request for keys that is open.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// What the caller hears.
    pub text: String,
    /// The entry ends after so many keys.
    pub max_digits: u32,
    /// Key that ends the entry early, for example `#`.
    pub terminator: Option<char>,
    /// Whether the keys are secret; then only their number is stored.
    pub secret: bool,
    /// Longest wait for the first key.
    pub timeout_ms: u64,
    /// Longest wait for each further key.
    pub inter_digit_timeout_ms: u64,
    /// Keys of the entry so far; empty for secret ones.
    pub(super) buffer: String,
    /// Number of those keys, also of secret ones.
    pub(super) length: u32,
}

/// What a session waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    Keys(Box<Ask>),
    /// The client's webhook is to answer.
    Webhook(Box<Webhook>),
    /// Another party is to answer.
    Transfer {
        to: Personal<Party>,
        /// Status the session gets once the party answers.
        status: SessionStatus,
        /// End cause the session gets then.
        cause: EndCause,
    },
}

/// What a session waits for, and how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub ask: Uuid,
    pub asked: Asked,
    pub since: Time,
    /// When the timer of the session runs out.
    pub until: Time,
}

/// State of a session, folded from its events; empty until the first one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IvrSession {
    pub(super) id: Option<IvrSessionId>,
    pub(super) entry: Option<MenuId>,
    pub(super) call: Option<CallId>,
    pub(super) started_by: Option<Uuid>,
    pub(super) pins: BTreeMap<MenuId, Version>,
    pub(super) stack: Vec<MenuId>,
    pub(super) collecting: Option<Box<Collect>>,
    pub(super) waiting: Option<Waiting>,
    pub(super) asks: u32,
    pub(super) invalid: u32,
    pub(super) silent: u32,
    pub(super) turns: u32,
    pub(super) collected: BTreeMap<String, Option<Personal<String>>>,
    pub(super) causes: BTreeSet<Uuid>,
    pub(super) ended: Option<Box<SessionEnded>>,
}

impl IvrSession {
    /// Whether the session has any history.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.id.is_some()
    }

    #[must_use]
    pub fn status(&self) -> SessionStatus {
        self.ended.as_ref().map_or(SessionStatus::Active, |ended| ended.status)
    }

    /// Call the session drives, if any.
    #[must_use]
    pub const fn call(&self) -> Option<CallId> {
        self.call
    }

    /// What the session waits for; `None` once it is over.
    #[must_use]
    pub fn waiting(&self) -> Option<&Waiting> {
        self.waiting.as_ref()
    }

    /// Menus on the way here: the first one first, this one last.
    #[must_use]
    pub fn stack(&self) -> &[MenuId] {
        &self.stack
    }

    /// Turns the session has taken so far.
    #[must_use]
    pub const fn turns(&self) -> u32 {
        self.turns
    }

    /// Versions of the menus the session entered.
    #[must_use]
    pub fn pins(&self) -> &BTreeMap<MenuId, Version> {
        &self.pins
    }

    /// Menus that a decision may start from: the first one, and those on the stack.
    pub fn entries(&self) -> impl Iterator<Item = MenuId> {
        self.entry.into_iter().chain(self.stack.iter().copied())
    }

    /// Collected digits by name; `None` where they are secret.
    #[must_use]
    pub fn collected(&self) -> &BTreeMap<String, Option<Personal<String>>> {
        &self.collected
    }

    /// Id of the next ask.
    pub(super) fn next_ask(&self) -> Uuid {
        derive(self.id.map_or(Uuid::nil(), |id| id.0), &format!("ask {}", self.asks + 1))
    }

    pub(super) fn apply(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Started(started) => {
                self.id = Some(started.session);
                self.entry = Some(started.menu);
                self.call = started.call;
                self.started_by = Some(started.cause);
            }
            SessionEvent::MenuEntered(entered) => {
                self.pins.insert(entered.menu, Version(entered.version));
                self.stack.clone_from(&entered.stack);
                self.collecting = None;
                (self.invalid, self.silent) = (0, 0);
            }
            SessionEvent::Prompted(prompted) => {
                self.asks += 1;
                self.waiting = Some(Waiting {
                    ask: prompted.ask,
                    since: prompted.at,
                    until: prompted.no_input_at,
                    asked: Asked::Keys(Box::new(Ask {
                        text: prompted.text.clone(),
                        max_digits: prompted.max_digits,
                        terminator: prompted.terminator,
                        secret: prompted.secret,
                        timeout_ms: prompted.timeout_ms,
                        inter_digit_timeout_ms: prompted.inter_digit_timeout_ms,
                        buffer: String::new(),
                        length: 0,
                    })),
                });
            }
            SessionEvent::DigitsHeard(heard) => {
                self.causes.insert(heard.cause);
                if let Some(Waiting { asked: Asked::Keys(ask), until, .. }) = &mut self.waiting {
                    ask.buffer = heard.digits.as_ref().and_then(|d| d.reveal().cloned()).unwrap_or_default();
                    ask.length = heard.length;
                    *until = heard.complete_at;
                }
            }
            SessionEvent::StepTaken(step) => {
                self.causes.insert(step.cause);
                self.turns = step.turn;
                (self.invalid, self.silent) = (step.invalid, step.silent);
            }
            SessionEvent::CollectBegan(began) => {
                self.collecting = Some(Box::new(began.collect.clone()));
                (self.invalid, self.silent) = (0, 0);
            }
            SessionEvent::Collected(collected) => {
                self.collecting = None;
                (self.invalid, self.silent) = (0, 0);
                self.collected.insert(collected.name.clone(), collected.value.clone());
            }
            SessionEvent::WebhookRequested(request) => {
                self.asks += 1;
                self.collecting = None;
                let asked = Asked::Webhook(Box::new(request.webhook.clone()));
                let (since, until) = (request.at, request.give_up_at);
                self.waiting = Some(Waiting { ask: request.ask, asked, since, until });
            }
            SessionEvent::WebhookAnswered(answered) => {
                self.turns = answered.turn;
                self.causes.insert(answered.ask);
            }
            SessionEvent::TransferRequested(request) => {
                self.asks += 1;
                self.collecting = None;
                let (to, status, cause) = (request.to.clone(), request.status, request.cause);
                let asked = Asked::Transfer { to, status, cause };
                let (since, until) = (request.at, request.give_up_at);
                self.waiting = Some(Waiting { ask: request.ask, asked, since, until });
            }
            SessionEvent::TransferFailed(failed) => {
                self.turns = failed.turn;
                self.causes.insert(failed.cause);
            }
            SessionEvent::Ended(ended) => {
                self.waiting = None;
                self.collecting = None;
                self.causes.extend(ended.told_by);
                self.ended = Some(Box::new(ended.clone()));
            }
        }
    }

    /// The stack with `menu` on top, at most [`MAX_STACK`] deep.
    pub(super) fn stack_with(&self, menu: MenuId) -> Vec<MenuId> {
        let mut stack = self.stack.clone();
        if stack.last() != Some(&menu) {
            if stack.len() >= MAX_STACK {
                stack.remove(1);
            }
            stack.push(menu);
        }
        stack
    }
}
