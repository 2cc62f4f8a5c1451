//! Tests of sessions as given, when, then.

mod live;
mod rules;
mod table;
mod ways;

use std::sync::Arc;

use uuid::Uuid;

use super::super::action::{Action, Collect, Webhook};
use super::super::book::Book;
use super::super::menu::MenuTerms;
use super::*;
use crate::ids::CallId;
use crate::phone::Party;
use crate::testing::calls::{CALL, COLLEAGUE, at, id};
use crate::testing::ivr::{SESSION, book, item, menu, menu_id, submenu};
use crate::testing::scenario::{Scenario, scenario};

/// A main menu with an action on each key, and a menu below it.
fn main_menu() -> MenuTerms {
    let say = Action::Say { text: "We are open.".to_owned() };
    let mut main = menu(
        "Main",
        vec![
            item("1", submenu(1)),
            item("2", Action::Back),
            item("3", Action::Main),
            item("4", Action::Repeat),
            item("5", say),
            item("6", collect(false, Action::Repeat)),
            item("7", Action::Agent { agent: None }),
            item("8", Action::Transfer { to: Party::new(COLLEAGUE).into() }),
            item("9", webhook(Action::Hangup)),
            item("0", Action::Hangup),
            item("#", collect(true, Action::Hangup)),
        ],
    );
    main.short_prompt = Some("Main, short.".to_owned());
    main
}

fn below() -> MenuTerms {
    menu("Below", vec![item("1", submenu(0)), item("2", Action::Back), item("3", Action::Main)])
}

fn collect(secret: bool, then: Action) -> Action {
    Action::Collect(Box::new(Collect {
        name: if secret { "pin" } else { "account" }.to_owned(),
        prompt: None,
        min_digits: 2,
        max_digits: 4,
        terminator: Some('*'),
        secret,
        then,
    }))
}

fn webhook(on_error: Action) -> Action {
    let url = "https://hooks.example.test/ivr".to_owned();
    Action::Webhook(Box::new(Webhook { url, timeout_ms: 3_000, on_error }))
}

fn menus() -> Arc<Book> {
    Arc::new(book([(0, main_menu()), (1, below())]))
}

fn start_in(book: &Arc<Book>, call: Option<CallId>) -> SessionCommand {
    SessionCommand::Start {
        session: SESSION,
        id: id(1),
        menu: menu_id(0),
        call,
        external_id: None,
        book: book.clone(),
        now: at(0),
    }
}

/// A caller in the main menu.
fn started(call: Option<CallId>) -> Scenario<IvrSession> {
    scenario::<IvrSession>().after([start_in(&menus(), call)])
}

/// A command with keys sent over REST.
fn keys(n: u128, digits: &str, seconds: i64) -> SessionCommand {
    keys_in(&menus(), n, digits, seconds)
}

fn keys_in(book: &Arc<Book>, n: u128, digits: &str, seconds: i64) -> SessionCommand {
    let keyed = Keyed::Plain(digits.to_owned().into());
    let (book, now) = (book.clone(), at(seconds));
    SessionCommand::Input { id: id(n), keyed, whole: false, source: Source::Api, book, now }
}

/// A command with keys that the carrier gathered for an ask.
fn gathered(n: u128, ask: Uuid, keyed: Keyed, seconds: i64) -> SessionCommand {
    let (book, now) = (menus(), at(seconds));
    SessionCommand::Input { id: id(n), keyed, whole: true, source: Source::Carrier { ask }, book, now }
}

fn plain(digits: &str) -> Keyed {
    Keyed::Plain(digits.to_owned().into())
}

fn silence(n: u128, seconds: i64) -> SessionCommand {
    SessionCommand::Silence { id: id(n), source: Source::Api, book: menus(), now: at(seconds) }
}

/// A timer that was set for `seconds` and runs out on time.
fn timer(seconds: i64) -> SessionCommand {
    SessionCommand::TimerFired { set_for: at(seconds), heard: None, book: menus(), now: at(seconds) }
}

fn hang_up(n: u128, seconds: i64) -> SessionCommand {
    SessionCommand::CallEnded { id: id(n), by_caller: true, now: at(seconds) }
}

fn waiting(session: &IvrSession) -> &Waiting {
    session.waiting().expect("it waits for something")
}

fn text(session: &IvrSession) -> &str {
    match &waiting(session).asked {
        Asked::Keys(ask) => &ask.text,
        other => panic!("{other:?}"),
    }
}

/// Event types without the category.
fn types(events: &[SessionEvent]) -> Vec<&str> {
    use crate::wire::DomainEvent as _;
    events.iter().map(|event| event.event_type().trim_start_matches("ivr_session.")).collect()
}
