//! Every action, met with what it expects, with something wrong, with silence, with a hang-up, and with the
//! same webhook again: on a live call, where actions have the most to do.

use super::*;

/// What happens after the caller chose the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The result that the action expects.
    Valid,
    /// A result that the action does not expect.
    Invalid,
    /// Nothing happens until the timer runs out.
    Silence,
    /// The caller hangs up.
    HangUp,
    /// The webhook that chose the action comes again.
    Repeat,
    /// A webhook about an earlier prompt comes late.
    Late,
}

use Event::{HangUp, Invalid, Late, Repeat, Silence, Valid};

/// State expected after the event.
struct Then {
    status: SessionStatus,
    /// Types of the facts that followed.
    facts: &'static [&'static str],
    /// Menus on the stack.
    depth: usize,
    /// Wrong entries and silences of the visit.
    used: (u32, u32),
}

const fn active(facts: &'static [&'static str], depth: usize, used: (u32, u32)) -> Then {
    Then { status: SessionStatus::Active, facts, depth, used }
}

const fn over(status: SessionStatus, facts: &'static [&'static str], depth: usize, used: (u32, u32)) -> Then {
    Then { status, facts, depth, used }
}

const NOTHING: &[&str] = &[];
const ENDED: &[&str] = &["ended"];
const AGAIN: &[&str] = &["step_taken", "prompted"];
const ENTERED: &[&str] = &["step_taken", "menu_entered", "prompted"];
const COLLECTED: &[&str] = &["step_taken", "collected", "prompted"];
const COLLECTED_END: &[&str] = &["step_taken", "collected", "ended"];
use SessionStatus::{Abandoned, Completed};

/// Each case: the key, its action, what happens then, and what follows.
fn cases() -> Vec<(&'static str, &'static str, Event, Then)> {
    let at_root = |then: fn(&'static [&'static str]) -> Then| then;
    let main = at_root(|facts| active(facts, 1, (0, 0)));
    vec![
        ("1", "submenu", Valid, active(ENTERED, 1, (0, 0))), // back again, by key 2
        ("1", "submenu", Invalid, active(AGAIN, 2, (1, 0))),
        ("1", "submenu", Silence, active(AGAIN, 2, (0, 1))),
        ("1", "submenu", HangUp, over(Abandoned, ENDED, 2, (0, 0))),
        ("1", "submenu", Repeat, active(NOTHING, 2, (0, 0))),
        ("1", "submenu", Late, active(NOTHING, 2, (0, 0))),
        ("2", "back", Valid, main(AGAIN)),
        ("2", "back", Invalid, active(AGAIN, 1, (1, 0))),
        ("2", "back", Silence, active(AGAIN, 1, (0, 1))),
        ("2", "back", HangUp, over(Abandoned, ENDED, 1, (0, 0))),
        ("2", "back", Repeat, main(NOTHING)),
        ("2", "back", Late, main(NOTHING)),
        ("3", "main", Valid, main(AGAIN)),
        ("3", "main", Invalid, active(AGAIN, 1, (1, 0))),
        ("3", "main", Silence, active(AGAIN, 1, (0, 1))),
        ("3", "main", HangUp, over(Abandoned, ENDED, 1, (0, 0))),
        ("3", "main", Repeat, main(NOTHING)),
        ("3", "main", Late, main(NOTHING)),
        ("4", "repeat", Valid, main(AGAIN)),
        ("4", "repeat", Invalid, active(AGAIN, 1, (1, 0))),
        ("4", "repeat", Silence, active(AGAIN, 1, (0, 1))),
        ("4", "repeat", HangUp, over(Abandoned, ENDED, 1, (0, 0))),
        ("4", "repeat", Repeat, main(NOTHING)),
        ("4", "repeat", Late, main(NOTHING)),
        ("5", "say", Valid, main(AGAIN)),
        ("5", "say", Invalid, active(AGAIN, 1, (1, 0))),
        ("5", "say", Silence, active(AGAIN, 1, (0, 1))),
        ("5", "say", HangUp, over(Abandoned, ENDED, 1, (0, 0))),
        ("5", "say", Repeat, main(NOTHING)),
        ("5", "say", Late, main(NOTHING)),
        ("6", "collect", Valid, main(COLLECTED)),
        ("6", "collect", Invalid, active(AGAIN, 1, (1, 0))),
        ("6", "collect", Silence, active(AGAIN, 1, (0, 1))),
        ("6", "collect", HangUp, over(Abandoned, ENDED, 1, (0, 0))),
        ("6", "collect", Repeat, main(NOTHING)),
        ("6", "collect", Late, main(NOTHING)),
        ("#", "collect a secret", Valid, over(Completed, COLLECTED_END, 1, (0, 0))),
        ("#", "collect a secret", Invalid, active(AGAIN, 1, (1, 0))),
        ("#", "collect a secret", Silence, active(AGAIN, 1, (0, 1))),
        ("#", "collect a secret", HangUp, over(Abandoned, ENDED, 1, (0, 0))),
        ("#", "collect a secret", Repeat, main(NOTHING)),
        ("#", "collect a secret", Late, main(NOTHING)),
        // whatever comes after the end changes nothing
        ("7", "agent", Valid, over(Completed, NOTHING, 1, (0, 0))),
        ("7", "agent", Invalid, over(Completed, NOTHING, 1, (0, 0))),
        ("7", "agent", Silence, over(Completed, NOTHING, 1, (0, 0))),
        ("7", "agent", HangUp, over(Completed, NOTHING, 1, (0, 0))),
        ("7", "agent", Repeat, over(Completed, NOTHING, 1, (0, 0))),
        ("7", "agent", Late, over(Completed, NOTHING, 1, (0, 0))),
        ("8", "transfer", Valid, over(Completed, ENDED, 1, (0, 0))),
        ("8", "transfer", Invalid, active(&["transfer_failed", "prompted"], 1, (0, 0))),
        ("8", "transfer", Silence, active(&["transfer_failed", "prompted"], 1, (0, 0))),
        ("8", "transfer", HangUp, over(Abandoned, ENDED, 1, (0, 0))),
        ("8", "transfer", Repeat, main(NOTHING)),
        ("8", "transfer", Late, main(NOTHING)),
        ("9", "webhook", Valid, active(&["webhook_answered", "menu_entered", "prompted"], 2, (0, 0))),
        ("9", "webhook", Invalid, over(Completed, &["webhook_answered", "ended"], 1, (0, 0))),
        ("9", "webhook", Silence, over(Completed, &["webhook_answered", "ended"], 1, (0, 0))),
        ("9", "webhook", HangUp, over(Abandoned, ENDED, 1, (0, 0))),
        ("9", "webhook", Repeat, main(NOTHING)),
        ("9", "webhook", Late, main(NOTHING)),
        ("0", "hangup", Valid, over(Completed, NOTHING, 1, (0, 0))),
        ("0", "hangup", Invalid, over(Completed, NOTHING, 1, (0, 0))),
        ("0", "hangup", Silence, over(Completed, NOTHING, 1, (0, 0))),
        ("0", "hangup", HangUp, over(Completed, NOTHING, 1, (0, 0))),
        ("0", "hangup", Repeat, over(Completed, NOTHING, 1, (0, 0))),
        ("0", "hangup", Late, over(Completed, NOTHING, 1, (0, 0))),
    ]
}

/// The command that stands for the event, given what the session waits for.
fn command(event: Event, key: &str, first_ask: Uuid, session: &IvrSession) -> SessionCommand {
    let (ask, until) = session.waiting().map_or((Uuid::nil(), at(900)), |w| (w.ask, w.until));
    let asked = session.waiting().map(|waiting| &waiting.asked);
    let (book, now) = (menus(), at(20));
    match (event, asked) {
        (Repeat, _) => gathered(2, first_ask, plain(key), 10),
        (Late, _) => gathered(3, first_ask, plain("4"), 20),
        (HangUp, _) => hang_up(4, 20),
        (Silence, _) => SessionCommand::TimerFired { set_for: until, heard: None, book, now: until },
        (Valid | Invalid, Some(Asked::Transfer { .. })) => {
            let answer = if event == Valid { Answered::Connected } else { Answered::Failed };
            SessionCommand::CallAnswered { id: id(5), ask, answer, book, now }
        }
        (Valid, Some(Asked::Webhook(_))) => {
            let answer =
                StepAnswer { outcome: WebhookOutcome::Answered, status: Some(200), action: Some(submenu(1)) };
            SessionCommand::WebhookAnswered { ask, answer, book, now }
        }
        (Invalid, Some(Asked::Webhook(_))) => {
            let answer = StepAnswer { outcome: WebhookOutcome::Failed, status: Some(500), action: None };
            SessionCommand::WebhookAnswered { ask, answer, book, now }
        }
        (Valid, Some(Asked::Keys(wanted))) if wanted.secret => gathered(5, ask, Keyed::Masked(4), 20),
        (Valid, Some(Asked::Keys(wanted))) if wanted.max_digits > 1 => gathered(5, ask, plain("1234"), 20),
        (Valid, Some(Asked::Keys(_))) if session.stack().len() > 1 => gathered(5, ask, plain("2"), 20),
        (Valid, _) => gathered(5, ask, plain("4"), 20),
        (Invalid, Some(Asked::Keys(wanted))) if wanted.secret => gathered(5, ask, Keyed::Masked(1), 20),
        (Invalid, _) => gathered(5, ask, plain("A"), 20),
    }
}

#[test]
fn every_action_bears_everything() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    for (key, action, event, then) in cases {
        let told = format!("{action} on key {key}, then {event:?}");
        let given = started(Some(CALL));
        let first_ask = waiting(given.state()).ask;
        let chosen = given.when(gathered(2, first_ask, plain(key), 10));
        assert!(chosen.decision().is_ok(), "{told}");
        let chosen = chosen.and();
        let command = command(event, key, first_ask, chosen.state());
        let after = chosen.when(command.clone());
        assert!(after.decision().is_ok(), "{told}: {:?}", after.decision());
        assert_eq!(types(after.facts()), then.facts, "{told}");
        let state = after.state();
        assert_eq!((state.status(), state.stack().len()), (then.status, then.depth), "{told}");
        assert_eq!((state.invalid, state.silent), then.used, "{told}");
        // and a repeat of the same changes nothing
        let again = after.and().when(command);
        assert_eq!(types(again.facts()), NOTHING, "{told}, and again");
    }
}

#[test]
fn every_step_tells_the_menu_the_input_the_match_the_timer_and_the_time() {
    let given = started(Some(CALL));
    let ask = waiting(given.state()).ask;
    let step = given.when(gathered(2, ask, plain("1"), 7));
    let SessionEvent::StepTaken(step) = &step.facts()[0] else { panic!("no step") };
    let expected = StepTaken {
        turn: 1,
        cause: id(2),
        menu: menu_id(0),
        version: 1,
        heard: Heard::Matched,
        from: HeardFrom::Carrier,
        input: Some("1".to_owned().into()),
        length: 1,
        matched: Some("1".to_owned()),
        action: Some("submenu".to_owned()),
        timer: None,
        elapsed_ms: 7_000,
        invalid: 0,
        silent: 0,
        at: at(7),
    };
    assert_eq!(step, &expected);
}
