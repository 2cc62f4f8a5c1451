//! What follows from a command, given where the session stands.

use std::time::Duration;

use uuid::Uuid;

use super::super::action::{Action, Collect, MAX_INPUT};
use super::super::book::{Book, Page};
use super::command::{Answered, Keyed, SessionCommand, SessionRefusal, Source, StepAnswer};
use super::event::{
    Clock, Collected, DigitsHeard, EndCause, Heard, HeardFrom, Outcome, PromptKind, SessionEnded,
    SessionEvent, SessionStarted, SessionStatus, StepTaken, TransferMissed, Via, WebhookAnswered,
    WebhookOutcome,
};
use super::state::{Ask, Asked, IvrSession, Waiting};
use super::walk::{Because, Walk};
use crate::call::terms::EndReason;
use crate::envelope::Time;
use crate::ids::derive;

type Decision = Result<Vec<SessionEvent>, SessionRefusal>;

/// The caller's entry, as far as it is known.
struct Entry {
    /// `None` when the keys are masked.
    keys: Option<String>,
    length: u32,
    /// Whether no more keys will come.
    whole: bool,
}

/// Where an input came from, and which wait ran out.
#[derive(Clone, Copy)]
struct Told {
    now: Time,
    cause: Uuid,
    from: HeardFrom,
    timer: Option<Clock>,
}

/// How an input was understood, and what it led to.
struct Step {
    heard: Heard,
    input: Option<String>,
    length: u32,
    matched: Option<String>,
    action: Option<&'static str>,
}

impl Step {
    fn nothing(heard: Heard) -> Self {
        Self { heard, input: None, length: 0, matched: None, action: None }
    }
}

impl IvrSession {
    pub(super) fn decide_on(&self, command: &SessionCommand) -> Decision {
        if let SessionCommand::Start { .. } = command {
            return self.start(command);
        }
        if !self.exists() {
            return Err(SessionRefusal::Unknown);
        }
        if let SessionCommand::Input { keyed: Keyed::Plain(keys), source: Source::Api, .. } = command
            && !keys.reveal().is_some_and(|keys| are_keys(keys))
        {
            return Err(SessionRefusal::NotKeys);
        }
        match command {
            SessionCommand::Start { .. } => Err(SessionRefusal::Exists),
            SessionCommand::Input { id, keyed, whole, source, book, now } => {
                let Some((waiting, ask)) = self.asking(*id, *source, book)? else { return Ok(vec![]) };
                let told = Told { now: *now, cause: *id, from: from(*source), timer: None };
                Ok(self.keyed(waiting, ask, keyed, *whole, told, book))
            }
            SessionCommand::Silence { id, source, book, now } => {
                let Some((waiting, ask)) = self.asking(*id, *source, book)? else { return Ok(vec![]) };
                let told = Told { now: *now, cause: *id, from: from(*source), timer: None };
                Ok(self.silence(waiting, ask, told, book))
            }
            SessionCommand::Back { id, book, now } => {
                let Some((waiting, _)) = self.asking(*id, Source::Api, book)? else { return Ok(vec![]) };
                let mut walk = Walk::of(self, book, *now);
                let told = Told { now: *now, cause: *id, from: HeardFrom::Api, timer: None };
                walk.step(waiting, told, Step { action: Some("back"), ..Step::nothing(Heard::Back) });
                walk.back(Because::ASKED);
                Ok(walk.facts)
            }
            SessionCommand::TimerFired { set_for, heard, book, now } => {
                self.timer_fired(*set_for, heard.as_ref(), book, *now)
            }
            SessionCommand::End { now } if self.ended.is_none() => {
                let none = Book::default();
                let mut walk = Walk::of(self, &none, *now);
                let outcome = Some(Outcome { action: "end".to_owned(), target: None });
                let reason = Some(EndReason::ApiHangup);
                walk.over(SessionStatus::Completed, EndCause::Api, outcome, None, reason);
                Ok(walk.facts)
            }
            SessionCommand::End { .. } => Ok(vec![]),
            SessionCommand::WebhookAnswered { ask, answer, book, now } => {
                self.webhook_answered(*ask, answer, book, *now)
            }
            SessionCommand::CallAnswered { id, ask, answer, book, now } => {
                self.call_answered(*id, *ask, *answer, book, *now)
            }
            SessionCommand::CallEnded { id, by_caller, now } => Ok(self.call_ended(*id, *by_caller, *now)),
        }
    }

    fn start(&self, command: &SessionCommand) -> Decision {
        let SessionCommand::Start { session, id, menu, call, external_id, book, now } = command else {
            return Err(SessionRefusal::Exists);
        };
        match self.started_by {
            // a repeat of the same request changes nothing
            Some(by) if by == *id && self.entry == Some(*menu) => return Ok(vec![]),
            Some(_) => return Err(SessionRefusal::Exists),
            None => {}
        }
        if book.page(*menu).is_none() {
            return Err(SessionRefusal::NoMenu);
        }
        let mut walk = Walk::of(self, book, *now);
        walk.tell(SessionStarted {
            session: *session,
            menu: *menu,
            call: *call,
            external_id: external_id.clone().map(Into::into),
            cause: *id,
            at: *now,
        });
        walk.enter(*menu, Via::Start, vec![*menu], Because::ASKED);
        Ok(walk.facts)
    }

    /// The open ask for keys, if this input answers it; `None` when the input changes nothing.
    fn asking(
        &self,
        id: Uuid,
        source: Source,
        book: &Book,
    ) -> Result<Option<(&Waiting, &Ask)>, SessionRefusal> {
        if self.causes.contains(&id) {
            return Ok(None);
        }
        if self.ended.is_some() {
            return if source == Source::Api { Err(SessionRefusal::Ended) } else { Ok(None) };
        }
        let Some(waiting) = &self.waiting else { return Ok(None) };
        if matches!(source, Source::Carrier { ask } if ask != waiting.ask) {
            return Ok(None); // it comes late
        }
        self.same_versions(book)?;
        match (&waiting.asked, source) {
            (Asked::Keys(ask), _) => Ok(Some((waiting, ask))),
            (_, Source::Carrier { .. }) => Ok(None),
            (Asked::Webhook(_), Source::Api) => Err(SessionRefusal::Busy("your webhook")),
            (Asked::Transfer { .. }, Source::Api) => Err(SessionRefusal::Busy("a transfer")),
        }
    }

    fn same_versions(&self, book: &Book) -> Result<(), SessionRefusal> {
        let same = |(menu, version)| book.page(menu).is_none_or(|page: &Page| page.version == version);
        let same = self.pins.iter().all(|(menu, version)| same((*menu, *version)));
        if same { Ok(()) } else { Err(SessionRefusal::OtherVersion) }
    }

    fn keyed(
        &self,
        waiting: &Waiting,
        ask: &Ask,
        keyed: &Keyed,
        whole: bool,
        told: Told,
        book: &Book,
    ) -> Vec<SessionEvent> {
        let entry = match keyed {
            Keyed::Plain(keys) => {
                let mut keys = keys.reveal().cloned().unwrap_or_default();
                let terminated = ask.terminator.is_some_and(|end| keys.ends_with(end));
                if terminated {
                    keys.pop();
                }
                let before = if whole { 0 } else { ask.length };
                let added = u32::try_from(keys.len()).unwrap_or(u32::MAX);
                let all = if whole { keys } else { format!("{}{keys}", ask.buffer) };
                Entry { keys: Some(all), length: before.saturating_add(added), whole: whole || terminated }
            }
            Keyed::Masked(length) => Entry { keys: None, length: *length, whole: true },
        };
        self.entered(waiting, ask, entry, told, book)
    }

    fn entered(
        &self,
        waiting: &Waiting,
        ask: &Ask,
        entry: Entry,
        told: Told,
        book: &Book,
    ) -> Vec<SessionEvent> {
        let mut walk = Walk::of(self, book, told.now);
        match &self.collecting {
            Some(collect) => walk.collected(waiting, collect, entry, told),
            None => walk.chosen(waiting, entry, told),
        }
        if walk.facts.is_empty() {
            return walk.facts;
        }
        // keys that are not a whole entry yet wait for the next key
        for fact in &mut walk.facts {
            if let SessionEvent::DigitsHeard(heard) = fact {
                heard.complete_at = told.now + Duration::from_millis(ask.inter_digit_timeout_ms);
            }
        }
        walk.facts
    }

    fn silence(&self, waiting: &Waiting, ask: &Ask, told: Told, book: &Book) -> Vec<SessionEvent> {
        if ask.length > 0 {
            let keys = (!ask.secret).then(|| ask.buffer.clone());
            let entry = Entry { keys, length: ask.length, whole: true };
            return self.entered(waiting, ask, entry, Told { timer: Some(Clock::InterDigit), ..told }, book);
        }
        let mut walk = Walk::of(self, book, told.now);
        walk.wrong(waiting, Told { timer: Some(Clock::NoInput), ..told }, Step::nothing(Heard::Silence));
        walk.facts
    }

    fn timer_fired(&self, set_for: Time, heard: Option<&Keyed>, book: &Book, now: Time) -> Decision {
        let Some(waiting) = self.waiting.as_ref().filter(|waiting| waiting.until == set_for) else {
            return Ok(vec![]); // it was set anew, or is over
        };
        self.same_versions(book)?;
        let cause = derive(waiting.ask, "timer");
        match (&waiting.asked, heard) {
            (Asked::Keys(ask), Some(keyed)) => {
                let told = Told { now, cause, from: HeardFrom::Timer, timer: Some(Clock::InterDigit) };
                Ok(self.keyed(waiting, ask, keyed, true, told, book))
            }
            (Asked::Keys(ask), None) => {
                let told = Told { now, cause, from: HeardFrom::Timer, timer: None };
                Ok(self.silence(waiting, ask, told, book))
            }
            (Asked::Webhook(_), _) => {
                let outcome = WebhookOutcome::TimedOut;
                let answer = StepAnswer { outcome, status: None, action: None };
                self.webhook_answered(waiting.ask, &answer, book, now)
            }
            (Asked::Transfer { .. }, _) => {
                self.call_answered(cause, waiting.ask, Answered::Failed, book, now)
            }
        }
    }

    fn webhook_answered(&self, ask: Uuid, answer: &StepAnswer, book: &Book, now: Time) -> Decision {
        let waiting = self.waiting.as_ref().filter(|waiting| waiting.ask == ask);
        let Some(Waiting { asked: Asked::Webhook(webhook), since, .. }) = waiting else {
            return Ok(vec![]); // it comes late
        };
        self.same_versions(book)?;
        let mut walk = Walk::of(self, book, now);
        walk.tell(WebhookAnswered {
            ask,
            turn: self.turns + 1,
            outcome: answer.outcome,
            status: answer.status,
            action: answer.action.clone(),
            elapsed_ms: millis(*since, now),
            at: now,
        });
        match (&answer.action, answer.outcome) {
            (Some(action), WebhookOutcome::Answered) => walk.run(action, Because::ASKED),
            (None, WebhookOutcome::Answered) => walk.run(&Action::Repeat, Because::ASKED),
            _ => walk.run(&webhook.on_error, Because::ASKED),
        }
        Ok(walk.facts)
    }

    fn call_answered(&self, id: Uuid, ask: Uuid, answer: Answered, book: &Book, now: Time) -> Decision {
        let waiting =
            self.waiting.as_ref().filter(|waiting| waiting.ask == ask && !self.causes.contains(&id));
        let Some(waiting) = waiting else { return Ok(vec![]) };
        if answer == Answered::Gone {
            return Ok(self.call_ended(id, false, now));
        }
        self.same_versions(book)?;
        let mut walk = Walk::of(self, book, now);
        match (&waiting.asked, answer) {
            (Asked::Transfer { to, status, cause }, Answered::Connected) => {
                let because = Because { last: true, status: *status, cause: *cause };
                walk.end(&Action::Transfer { to: to.clone() }, because);
            }
            (Asked::Transfer { .. }, _) => {
                walk.tell(TransferMissed { ask, turn: self.turns + 1, cause: id, at: now });
                walk.ask(PromptKind::Resumed, None);
            }
            // the caller did not hear the prompt: that counts as a silence
            (Asked::Keys(_), Answered::Failed) => {
                let told = Told { now, cause: id, from: HeardFrom::Carrier, timer: None };
                walk.wrong(waiting, told, Step::nothing(Heard::Failure));
            }
            _ => {}
        }
        Ok(walk.facts)
    }

    fn call_ended(&self, id: Uuid, by_caller: bool, now: Time) -> Vec<SessionEvent> {
        if self.ended.is_some() {
            return vec![];
        }
        let cause = if by_caller { EndCause::HangUp } else { EndCause::CallEnded };
        vec![
            SessionEnded {
                status: SessionStatus::Abandoned,
                cause,
                outcome: None,
                menu: self.stack.last().copied(),
                farewell: None,
                order: None,
                end_reason: None,
                told_by: Some(id),
                at: now,
            }
            .into(),
        ]
    }
}

impl Walk<'_> {
    fn step(&mut self, waiting: &Waiting, told: Told, step: Step) {
        let Some(page) = self.page() else { return };
        let wrong = u32::from(step.heard == Heard::Invalid);
        let silent = u32::from(matches!(step.heard, Heard::Silence | Heard::Failure));
        self.tell(StepTaken {
            turn: self.session.turns + 1,
            cause: told.cause,
            menu: page.id,
            version: page.version.0,
            heard: step.heard,
            from: told.from,
            input: step.input.map(Into::into),
            length: step.length,
            matched: step.matched,
            action: step.action.map(str::to_owned),
            timer: told.timer,
            elapsed_ms: millis(waiting.since, self.now),
            invalid: self.session.invalid + wrong,
            silent: self.session.silent + silent,
            at: self.now,
        });
    }

    /// Records a wrong entry or a silence and asks again, unless the visit has no tries left.
    fn wrong(&mut self, waiting: &Waiting, told: Told, step: Step) {
        let Some(page) = self.page() else { return };
        let wrong = step.heard == Heard::Invalid;
        self.step(waiting, told, step);
        let (used, kind, cause) = match wrong {
            true => (self.session.invalid, PromptKind::Invalid, EndCause::Invalid),
            false => (self.session.silent, PromptKind::Silence, EndCause::Silence),
        };
        match used >= page.terms.max_retries {
            true => self.exhaust(cause),
            false => self.ask(kind, None),
        }
    }

    /// Handles keys that choose an option.
    fn chosen(&mut self, waiting: &Waiting, entry: Entry, told: Told) {
        let Some(page) = self.page() else { return };
        let Entry { keys, length, whole } = entry;
        let terms = &page.terms;
        let found = keys.as_deref().and_then(|keys| terms.keys().find(|(key, _)| *key == keys));
        let longer = keys.as_deref().is_some_and(|keys| {
            !keys.is_empty() && terms.keys().any(|(key, _)| key.len() > keys.len() && key.starts_with(keys))
        });
        if !whole && longer {
            return self.partly(waiting, keys, length, told);
        }
        let Some((key, mut action)) = found else {
            let step = Step { input: keys, length, ..Step::nothing(Heard::Invalid) };
            return self.wrong(waiting, told, step);
        };
        let item = terms.items.iter().find(|item| item.digit == key);
        if let (Action::Collect(collect), Some(item)) = (&mut action, item) {
            collect.prompt.get_or_insert_with(|| item.label.clone());
        }
        let (matched, name) = (Some(key.to_owned()), Some(action.name()));
        self.step(waiting, told, Step { heard: Heard::Matched, input: keys, length, matched, action: name });
        self.run(&action, Because::ASKED);
    }

    /// Handles digits that are being collected.
    fn collected(&mut self, waiting: &Waiting, collect: &Collect, entry: Entry, told: Told) {
        let Entry { keys, length, whole } = entry;
        let digits = keys.as_deref().is_none_or(|keys| keys.bytes().all(|b| b.is_ascii_digit()));
        let shown = keys.filter(|_| !collect.secret);
        if digits && !whole && length < collect.max_digits {
            return self.partly(waiting, shown, length, told);
        }
        if !digits || !(collect.min_digits..=collect.max_digits).contains(&length) {
            let step = Step { input: shown, length, ..Step::nothing(Heard::Invalid) };
            return self.wrong(waiting, told, step);
        }
        let step = Step {
            heard: Heard::Matched,
            input: shown.clone(),
            length,
            matched: Some(collect.name.clone()),
            action: Some("collect"),
        };
        self.step(waiting, told, step);
        let (name, secret) = (collect.name.clone(), collect.secret);
        self.tell(Collected { name, value: shown.map(Into::into), length, secret, at: self.now });
        self.run(&collect.then, Because::ASKED);
    }

    fn partly(&mut self, waiting: &Waiting, keys: Option<String>, length: u32, told: Told) {
        self.tell(DigitsHeard {
            cause: told.cause,
            ask: waiting.ask,
            digits: keys.map(Into::into),
            length,
            complete_at: self.now,
            at: self.now,
        });
    }
}

/// Whether a caller can key this text: 1 to 128 of `0-9 A-D * #`.
#[must_use]
pub fn are_keys(text: &str) -> bool {
    let known = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'D' | b'*' | b'#'));
    !text.is_empty() && text.len() <= MAX_INPUT && known
}

fn from(source: Source) -> HeardFrom {
    match source {
        Source::Carrier { .. } => HeardFrom::Carrier,
        Source::Api => HeardFrom::Api,
    }
}

fn millis(since: Time, now: Time) -> u64 {
    u64::try_from((now - since).num_milliseconds()).unwrap_or(0)
}
