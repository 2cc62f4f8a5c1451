//! Runs actions: an action leads to another menu, to a prompt or to an end.

use std::time::Duration;

use super::super::action::{Action, Collect, Webhook};
use super::super::book::{Book, Page};
use super::MAX_TURNS;
use super::event::{
    CollectBegan, EndCause, MenuEntered, Outcome, PromptKind, Prompted, SessionEnded, SessionEvent,
    SessionStatus, TransferAsked, Via, WebhookRequested,
};
use super::state::IvrSession;
use crate::call::terms::EndReason;
use crate::envelope::Time;
use crate::ids::{MenuId, derive};
use crate::personal::Personal;
use crate::phone::Party;

/// About 14 characters a second, an ordinary speaking rate.
const PER_CHARACTER: Duration = Duration::from_millis(70);
/// How much longer than the carrier we wait for its report.
const CARRIER_GRACE: Duration = Duration::from_secs(10);
/// How much longer than the request may take we wait for its outcome.
const WEBHOOK_GRACE: Duration = Duration::from_secs(10);
/// Longest wait for another party to answer: the carrier's own 30 s, and some.
const TRANSFER_LIMIT: Duration = Duration::from_secs(60);
/// Most menus entered in one decision: menus that are closed may lead to each other in a circle.
const MAX_HOPS: u32 = 20;
const COLLECT_PROMPT: &str = "Please key in the digits.";

/// Estimated time it takes to speak a text.
pub(crate) fn speech(text: &str) -> Duration {
    PER_CHARACTER.saturating_mul(u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
}

/// Circumstances in which an action runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Because {
    /// No prompt may follow: an action that would only repeat the menu ends the session.
    pub(super) last: bool,
    /// Status the session gets if it ends now.
    pub(super) status: SessionStatus,
    /// End cause the session gets then.
    pub(super) cause: EndCause,
}

impl Because {
    /// The caller chose the action, or the client's webhook asked for it.
    pub(super) const ASKED: Self =
        Self { last: false, status: SessionStatus::Completed, cause: EndCause::Menu };
    const CLOSED: Self = Self { last: true, ..Self::ASKED };

    pub(super) const fn exhausted(cause: EndCause) -> Self {
        Self { last: true, status: SessionStatus::Exhausted, cause }
    }
}

/// The facts found so far, and the session after applying them.
pub(super) struct Walk<'a> {
    pub(super) session: IvrSession,
    pub(super) facts: Vec<SessionEvent>,
    pub(super) book: &'a Book,
    pub(super) now: Time,
    hops: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn of(session: &IvrSession, book: &'a Book, now: Time) -> Self {
        Self { session: session.clone(), facts: vec![], book, now, hops: 0 }
    }

    pub(super) fn tell(&mut self, fact: impl Into<SessionEvent>) {
        let fact = fact.into();
        self.session.apply(&fact);
        self.facts.push(fact);
    }

    /// The menu the caller is in.
    pub(super) fn page(&self) -> Option<&'a Page> {
        self.session.stack.last().and_then(|id| self.book.page(*id))
    }

    fn menu(&self) -> Option<MenuId> {
        self.session.stack.last().copied()
    }

    pub(super) fn enter(&mut self, menu: MenuId, via: Via, stack: Vec<MenuId>, because: Because) {
        self.hops += 1;
        let page = self.book.page(menu).filter(|_| self.hops <= MAX_HOPS);
        let Some(page) = page else {
            // the menu was deleted, or closed menus lead in a circle
            return match because.last || self.hops > MAX_HOPS {
                true => self.end(&Action::Hangup, because),
                false => self.ask(PromptKind::Resumed, None),
            };
        };
        let decided = page.terms.hours.as_ref().map(|hours| hours.decide(self.book.zones(), self.now));
        let open = decided.as_ref().is_none_or(|decided| decided.open);
        let zone_data = decided.and_then(|decided| decided.release).map(|release| release.to_string());
        let version = page.version.0;
        self.tell(MenuEntered { menu, version, via, stack, open, zone_data, at: self.now });
        match &page.terms.hours {
            Some(hours) if !open => self.run(&hours.closed, Because::CLOSED),
            _ => self.ask(PromptKind::Menu, None),
        }
    }

    pub(super) fn run(&mut self, action: &Action, because: Because) {
        match action {
            Action::Submenu { menu } => {
                let stack = self.session.stack_with(*menu);
                self.enter(*menu, Via::Submenu, stack, because);
            }
            Action::Back => self.back(because),
            Action::Main => match self.session.stack.first().copied() {
                Some(first) => self.enter(first, Via::Main, vec![first], because),
                None => self.end(&Action::Hangup, because),
            },
            Action::Repeat => self.again(PromptKind::Repeat, None, because),
            Action::Say { text } => self.again(PromptKind::Say, Some(text), because),
            Action::Collect(collect) => self.collect(collect),
            Action::Webhook(webhook) => self.call_webhook(webhook),
            Action::Transfer { to } if self.session.call.is_some() => self.transfer(to, because),
            Action::Agent { .. } | Action::Transfer { .. } | Action::Hangup => self.end(action, because),
        }
    }

    pub(super) fn back(&mut self, because: Because) {
        let stack = &self.session.stack;
        match stack.len().checked_sub(2).and_then(|before| stack.get(before)).copied() {
            Some(menu) => {
                let stack = stack[..stack.len() - 1].to_vec();
                self.enter(menu, Via::Back, stack, because);
            }
            None => self.again(PromptKind::Repeat, None, because),
        }
    }

    /// Plays the menu again, or ends the session where no prompt may follow.
    fn again(&mut self, kind: PromptKind, lead: Option<&str>, because: Because) {
        match (because.last, lead) {
            (true, Some(text)) => self.end(&Action::Say { text: text.to_owned() }, because),
            (true, None) => self.end(&Action::Hangup, because),
            (false, _) => self.ask(kind, lead),
        }
    }

    fn collect(&mut self, collect: &Collect) {
        let Some(menu) = self.menu() else { return };
        self.tell(CollectBegan { menu, collect: collect.clone(), at: self.now });
        self.ask(PromptKind::Collect, None);
    }

    /// Asks for keys: for those of the menu, or for digits to collect.
    pub(super) fn ask(&mut self, kind: PromptKind, lead: Option<&str>) {
        let Some(page) = self.page() else { return self.end(&Action::Hangup, Because::ASKED) };
        if self.session.turns >= MAX_TURNS {
            return self.turns_used(page);
        }
        let terms = &page.terms;
        let lead = match kind {
            PromptKind::Invalid => Some(terms.invalid_prompt.as_str()),
            PromptKind::Silence => Some(terms.timeout_prompt.as_str()),
            _ => lead,
        };
        let (text, max_digits, terminator, secret) = match &self.session.collecting {
            Some(collect) => {
                let prompt = collect.prompt.as_deref().unwrap_or(COLLECT_PROMPT);
                (prompt, collect.max_digits, collect.terminator, collect.secret)
            }
            None => {
                let text = if kind == PromptKind::Menu { &terms.prompt } else { terms.short() };
                let longest = u32::try_from(terms.longest_key()).unwrap_or(1);
                (text, longest, terms.terminator(), false)
            }
        };
        let text = lead.map_or_else(|| text.to_owned(), |lead| format!("{lead} {text}"));
        let live = self.session.call.is_some();
        let first = speech(&text) + Duration::from_millis(terms.timeout_ms);
        let rest = Duration::from_millis(terms.inter_digit_timeout_ms).saturating_mul(max_digits);
        let patience = if live { first + rest + CARRIER_GRACE } else { first };
        self.tell(Prompted {
            ask: self.session.next_ask(),
            menu: page.id,
            kind,
            text,
            max_digits,
            terminator,
            secret,
            timeout_ms: terms.timeout_ms,
            inter_digit_timeout_ms: terms.inter_digit_timeout_ms,
            live,
            no_input_at: self.now + patience,
            at: self.now,
        });
    }

    /// Ends the session, which has no turns left: by `on_exhausted` if that is an end,
    /// otherwise by hanging up.
    fn turns_used(&mut self, page: &Page) {
        let because = Because::exhausted(EndCause::Turns);
        let ends = |action: &Action| {
            matches!(
                action,
                Action::Agent { .. } | Action::Transfer { .. } | Action::Say { .. } | Action::Hangup
            )
        };
        match &page.terms.on_exhausted {
            action if ends(action) && self.session.turns == MAX_TURNS => self.run(action, because),
            _ => self.end(&Action::Hangup, because),
        }
    }

    /// Runs `on_exhausted`: the visit has no tries left.
    pub(super) fn exhaust(&mut self, cause: EndCause) {
        match self.page() {
            Some(page) => self.run(&page.terms.on_exhausted, Because::exhausted(cause)),
            None => self.end(&Action::Hangup, Because::exhausted(cause)),
        }
    }

    fn call_webhook(&mut self, webhook: &Webhook) {
        let Some(page) = self.page() else { return };
        if self.session.turns >= MAX_TURNS {
            return self.turns_used(page);
        }
        let give_up_at = self.now + Duration::from_millis(webhook.timeout_ms) + WEBHOOK_GRACE;
        let (ask, webhook) = (self.session.next_ask(), webhook.clone());
        self.tell(WebhookRequested { ask, menu: page.id, webhook, give_up_at, at: self.now });
    }

    fn transfer(&mut self, to: &Personal<Party>, because: Because) {
        let Some(menu) = self.menu() else { return };
        self.tell(TransferAsked {
            ask: self.session.next_ask(),
            menu,
            to: to.clone(),
            status: because.status,
            cause: because.cause,
            give_up_at: self.now + TRANSFER_LIMIT,
            at: self.now,
        });
    }

    pub(super) fn end(&mut self, action: &Action, because: Because) {
        let target = match action {
            Action::Agent { agent: Some(agent) } => Some(agent.to_string().into()),
            Action::Transfer { to } => {
                Some(to.reveal().map_or_else(Personal::erased, |to| to.as_str().to_owned().into()))
            }
            Action::Say { text } => Some(text.clone().into()),
            _ => None,
        };
        let end_reason = match (action, because.status, because.cause) {
            (Action::Agent { .. } | Action::Transfer { .. }, ..) => None,
            (_, SessionStatus::Exhausted, EndCause::Silence) => Some(EndReason::IvrNoInput),
            (_, SessionStatus::Exhausted, EndCause::Turns) if self.session.silent > 0 => {
                Some(EndReason::IvrNoInput)
            }
            (_, SessionStatus::Exhausted, _) => Some(EndReason::IvrTooManyInvalid),
            _ => Some(EndReason::IvrCompleted),
        };
        let farewell = match action {
            Action::Say { text } => Some(text.clone()),
            _ => None,
        };
        let outcome = Some(Outcome { action: action.name().to_owned(), target });
        self.over(because.status, because.cause, outcome, farewell, end_reason);
    }

    pub(super) fn over(
        &mut self,
        status: SessionStatus,
        cause: EndCause,
        outcome: Option<Outcome>,
        farewell: Option<String>,
        end_reason: Option<EndReason>,
    ) {
        let agent = outcome.as_ref().is_some_and(|outcome| outcome.action == "agent");
        let to_do = self.session.call.is_some() && (end_reason.is_some() || agent);
        let id = self.session.id.map(|id| derive(id.0, "end"));
        self.tell(SessionEnded {
            status,
            cause,
            outcome,
            menu: self.menu(),
            farewell,
            order: id.filter(|_| to_do),
            end_reason: end_reason.filter(|_| to_do),
            told_by: None,
            at: self.now,
        });
    }
}
