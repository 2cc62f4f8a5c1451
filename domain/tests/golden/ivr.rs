//! Specimens of menus and of sessions in them; see `samples`.

use domain::call::terms::EndReason;
use domain::ids::{AgentId, CallId, IvrSessionId, MenuId};
use domain::ivr::action::{Action, Collect, Webhook};
use domain::ivr::hours::{Hours, Override, Window};
use domain::ivr::menu::{Globals, Item, MenuCreated, MenuDeleted, MenuEvent, MenuTerms, MenuUpdated};
use domain::ivr::session::{
    Clock, CollectBegan, Collected, DigitsHeard, EndCause, Heard, HeardFrom, MenuEntered, Outcome,
    PromptKind, Prompted, SessionEnded, SessionEvent, SessionStarted, SessionStatus, StepTaken,
    TransferAsked, TransferMissed, Via, WebhookAnswered, WebhookOutcome, WebhookRequested,
};

use super::samples::{at, id, party};

fn menu_terms() -> MenuTerms {
    let item =
        |digit: &str, action| Item { digit: digit.to_owned(), label: format!("option {digit}"), action };
    MenuTerms {
        name: "Clinic".to_owned(),
        prompt: "Welcome. Press 1 for appointments.".to_owned(),
        short_prompt: Some("Press 1 for appointments.".to_owned()),
        items: vec![
            item("1", Action::Submenu { menu: MenuId(id(2)) }),
            item("2", Action::Back),
            item("3", Action::Main),
            item("4", Action::Repeat),
            item("5", Action::Say { text: "We are open.".to_owned() }),
            item("6", Action::Collect(Box::new(collect()))),
            item("7", Action::Agent { agent: Some(AgentId(id(3))) }),
            item("8", Action::Transfer { to: party("sip:desk@pbx.example.test") }),
            item("9", Action::Webhook(Box::new(webhook()))),
            item("0", Action::Hangup),
        ],
        timeout_ms: 5_000,
        inter_digit_timeout_ms: 2_000,
        max_retries: 3,
        invalid_prompt: "Sorry.".to_owned(),
        timeout_prompt: "Hello?".to_owned(),
        parent_menu_id: Some(MenuId(id(50))),
        on_exhausted: Action::Agent { agent: None },
        globals: Globals {
            repeat: Some("*".to_owned()),
            back: Some("#".to_owned()),
            main: Some("99".to_owned()),
            operator: Some("00".to_owned()),
        },
        hours: Some(Hours {
            timezone: "Europe/Berlin".to_owned(),
            weekly: std::array::from_fn(|_| vec![Window { from: 540, to: 1_020 }]),
            overrides: vec![Override { date: "2026-12-24".parse().unwrap(), windows: vec![] }],
            closed: Action::Say { text: "We are closed.".to_owned() },
        }),
    }
}

fn collect() -> Collect {
    Collect {
        name: "account".to_owned(),
        prompt: Some("Your account, please.".to_owned()),
        min_digits: 4,
        max_digits: 8,
        terminator: Some('#'),
        secret: true,
        then: Action::Main,
    }
}

fn webhook() -> Webhook {
    let url = "https://hooks.example.test/ivr?token=x".to_owned();
    Webhook { url, timeout_ms: 3_000, on_error: Action::Repeat }
}

pub fn menu() -> Vec<MenuEvent> {
    let shorter = MenuTerms { items: vec![], hours: None, ..menu_terms() };
    vec![
        MenuCreated { terms: Box::new(menu_terms()), at: at(0) }.into(),
        MenuUpdated { before: Box::new(menu_terms()), after: Box::new(shorter), at: at(1) }.into(),
        MenuDeleted { at: at(2) }.into(),
    ]
}

/// Of a session in the menus.
pub fn session() -> Vec<SessionEvent> {
    let menu = MenuId(id(2));
    vec![
        SessionStarted {
            session: IvrSessionId(id(40)),
            menu,
            call: Some(CallId(id(8))),
            external_id: Some("case 7".to_owned().into()),
            cause: id(41),
            at: at(0),
        }
        .into(),
        MenuEntered {
            menu,
            version: 3,
            via: Via::Start,
            stack: vec![MenuId(id(50)), menu],
            open: true,
            zone_data: None,
            at: at(1),
        }
        .into(),
        Prompted {
            ask: id(42),
            menu,
            kind: PromptKind::Menu,
            text: "Press 1 for appointments.".to_owned(),
            max_digits: 2,
            terminator: Some('#'),
            secret: false,
            timeout_ms: 5_000,
            inter_digit_timeout_ms: 2_000,
            live: true,
            no_input_at: at(20_000_000),
            at: at(2),
        }
        .into(),
        DigitsHeard {
            cause: id(43),
            ask: id(42),
            digits: Some("1".to_owned().into()),
            length: 1,
            complete_at: at(2_000_003),
            at: at(3),
        }
        .into(),
        StepTaken {
            turn: 1,
            cause: id(44),
            menu,
            version: 3,
            heard: Heard::Matched,
            from: HeardFrom::Carrier,
            input: Some("12".to_owned().into()),
            length: 2,
            matched: Some("12".to_owned()),
            action: Some("collect".to_owned()),
            timer: Some(Clock::InterDigit),
            elapsed_ms: 2_345,
            invalid: 1,
            silent: 2,
            at: at(4),
        }
        .into(),
        CollectBegan { menu, collect: collect(), at: at(5) }.into(),
        Collected {
            name: "account".to_owned(),
            value: Some("4711".to_owned().into()),
            length: 4,
            secret: false,
            at: at(6),
        }
        .into(),
        WebhookRequested { ask: id(45), menu, webhook: webhook(), give_up_at: at(13_000_007), at: at(7) }
            .into(),
        WebhookAnswered {
            ask: id(45),
            turn: 2,
            outcome: WebhookOutcome::Answered,
            status: Some(200),
            action: Some(Action::Submenu { menu }),
            elapsed_ms: 120,
            at: at(8),
        }
        .into(),
        TransferAsked {
            ask: id(46),
            menu,
            to: party("+12025550155"),
            status: SessionStatus::Completed,
            cause: EndCause::Menu,
            give_up_at: at(60_000_009),
            at: at(9),
        }
        .into(),
        TransferMissed { ask: id(46), turn: 3, cause: id(47), at: at(10) }.into(),
        SessionEnded {
            status: SessionStatus::Exhausted,
            cause: EndCause::Invalid,
            outcome: Some(Outcome { action: "say".to_owned(), target: Some("Goodbye.".to_owned().into()) }),
            menu: Some(menu),
            farewell: Some("Goodbye.".to_owned()),
            order: Some(id(48)),
            end_reason: Some(EndReason::IvrTooManyInvalid),
            told_by: Some(id(49)),
            at: at(11),
        }
        .into(),
    ]
}
