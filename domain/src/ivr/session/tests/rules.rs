//! Rules that hold between steps.

use super::super::super::book::Page;
use super::super::super::hours::{Hours, Window};
use super::*;
use crate::call::terms::EndReason;
use crate::envelope::Version;
use crate::testing::zones::fixed_zone;
use crate::zones::Zones;

#[test]
fn the_prompt_is_short_when_the_menu_is_played_again() {
    let given = started(None);
    assert_eq!(text(given.state()), "Main.");
    let again = given.after([keys(2, "4", 1)]);
    assert_eq!(text(again.state()), "Main, short.");
    let said = again.after([keys(3, "5", 2)]);
    assert_eq!(text(said.state()), "We are open. Main, short.");
    let wrong = said.after([keys(4, "*", 3)]);
    assert_eq!(text(wrong.state()), "Wrong. Main, short.");
    let silent = wrong.after([silence(5, 4)]);
    assert_eq!(text(silent.state()), "Silence. Main, short.");
    // on entering again it is the whole one
    let entered = silent.after([keys(6, "1", 5), keys(7, "2", 6)]);
    assert_eq!(text(entered.state()), "Main.");
}

#[test]
fn wrong_entries_and_silences_have_budgets_of_their_own_for_each_visit() {
    let mixed = started(None).after([keys(2, "*", 1), silence(3, 2), keys(4, "*", 3), silence(5, 4)]);
    assert_eq!((mixed.state().invalid, mixed.state().silent), (2, 2));
    assert_eq!(mixed.state().status(), SessionStatus::Active);
    let entered = mixed.clone().after([keys(6, "1", 5)]);
    assert_eq!((entered.state().invalid, entered.state().silent), (0, 0));
    for (last, cause) in [(keys(7, "*", 6), EndCause::Invalid), (silence(7, 6), EndCause::Silence)] {
        let ended = mixed.clone().when(last).then_types(["ivr_session.step_taken", "ivr_session.ended"]);
        let SessionEvent::Ended(end) = &ended.facts()[1] else { panic!("not ended") };
        assert_eq!((end.status, end.cause), (SessionStatus::Exhausted, cause));
    }
}

#[test]
fn an_exhausted_visit_goes_where_the_menu_says() {
    let mut main = main_menu();
    main.max_retries = 1;
    main.on_exhausted = submenu(1);
    let menus = Arc::new(book([(0, main.clone()), (1, below())]));
    let given = scenario::<IvrSession>().after([start_in(&menus, None)]);
    let below = given.after([keys_in(&menus, 2, "*", 1)]);
    assert_eq!((below.state().status(), below.state().stack().len()), (SessionStatus::Active, 2));
    main.on_exhausted = Action::Transfer { to: Party::new(COLLEAGUE).into() };
    let menus = Arc::new(book([(0, main)]));
    let given = scenario::<IvrSession>().after([start_in(&menus, None)]);
    let ended = given.when(keys_in(&menus, 2, "*", 1));
    let SessionEvent::Ended(end) = &ended.facts()[1] else { panic!("not ended") };
    let outcome = end.outcome.as_ref().unwrap();
    assert_eq!((end.status, outcome.action.as_str()), (SessionStatus::Exhausted, "transfer"));
    assert_eq!(outcome.target, Some(COLLEAGUE.to_owned().into()));
}

#[test]
fn after_thirty_turns_it_is_the_end() {
    let mut session = started(None);
    for turn in 1..30 {
        session = session.after([keys(100 + turn, "4", turn as i64)]);
    }
    assert_eq!((session.state().turns(), session.state().status()), (29, SessionStatus::Active));
    let ended = session.when(keys(200, "4", 40)).then_types(["ivr_session.step_taken", "ivr_session.ended"]);
    let SessionEvent::Ended(end) = &ended.facts()[1] else { panic!("not ended") };
    assert_eq!((end.status, end.cause), (SessionStatus::Exhausted, EndCause::Turns));
    ended.and().when(keys(201, "4", 41)).then_refused(SessionRefusal::Ended);
}

#[test]
fn the_stack_never_grows_beyond_ten_and_keeps_its_first_menu() {
    let mut session = started(None);
    for turn in 0..14 {
        session = session.after([keys(100 + turn, "1", turn as i64)]);
    }
    let stack = session.state().stack().to_vec();
    assert_eq!((stack.len(), stack[0]), (MAX_STACK, menu_id(0)));
    let home = session.after([keys(200, "3", 20)]);
    assert_eq!(home.state().stack(), [menu_id(0)]);
}

#[test]
fn back_leads_to_the_menu_before_and_from_the_first_one_nowhere() {
    let back = |n, seconds| SessionCommand::Back { id: id(n), book: menus(), now: at(seconds) };
    let below = started(None).after([keys(2, "1", 1)]);
    let main = below.when(back(3, 2));
    let main =
        main.then_types(["ivr_session.step_taken", "ivr_session.menu_entered", "ivr_session.prompted"]).and();
    assert_eq!(main.state().stack(), [menu_id(0)]);
    main.clone().when(back(3, 3)).then_nothing();
    main.when(back(4, 3)).then_types(["ivr_session.step_taken", "ivr_session.prompted"]);
}

#[test]
fn a_key_that_begins_another_waits_for_the_next_one_the_terminator_or_the_timer() {
    let main =
        menu("Main", vec![item("1", submenu(1)), item("12", Action::Hangup), item("3", Action::Repeat)]);
    let menus = Arc::new(book([(0, main), (1, below())]));
    let given = scenario::<IvrSession>().after([start_in(&menus, None)]);
    let heard = given.clone().when(keys_in(&menus, 2, "1", 1)).then_types(["ivr_session.digits_heard"]).and();
    assert_eq!(waiting(heard.state()).until, at(3), "the inter-digit timer is set");
    heard.clone().when(keys_in(&menus, 2, "1", 1)).then_nothing();
    let both = heard.clone().when(keys_in(&menus, 3, "2", 2));
    assert_eq!(both.state().status(), SessionStatus::Completed);
    let ended = heard.clone().when(keys_in(&menus, 3, "#", 2));
    assert_eq!(ended.state().stack().len(), 2);
    let timer = |seconds| SessionCommand::TimerFired {
        set_for: at(seconds),
        heard: None,
        book: menus.clone(),
        now: at(seconds),
    };
    heard.clone().when(timer(2)).then_nothing();
    let fired = heard.when(timer(3));
    let SessionEvent::StepTaken(step) = &fired.facts()[0] else { panic!("no step") };
    assert_eq!((step.timer, step.matched.as_deref()), (Some(Clock::InterDigit), Some("1")));
    // a caller who presses it at once need not wait, and a key that begins no other is taken at once
    let whole = given.clone().when(keys_in(&menus, 2, "12", 1));
    assert_eq!(whole.state().status(), SessionStatus::Completed);
    given.when(keys_in(&menus, 2, "3", 1)).then_types(["ivr_session.step_taken", "ivr_session.prompted"]);
}

#[test]
fn digits_are_collected_in_pieces_until_there_are_enough_or_the_terminator_comes() {
    let asked = started(None).after([keys(2, "6", 1)]);
    assert_eq!(text(asked.state()), "Option 6");
    let two = asked.clone().when(keys(3, "12", 2)).then_types(["ivr_session.digits_heard"]).and();
    let four = two.clone().when(keys(4, "34", 3));
    assert_eq!(four.state().collected()["account"], Some("1234".to_owned().into()));
    let ended = two.clone().when(keys(4, "*", 3));
    assert_eq!(ended.state().collected()["account"], Some("12".to_owned().into()));
    let quiet = two.when(silence(4, 5));
    assert_eq!(quiet.state().collected()["account"], Some("12".to_owned().into()));
    for wrong in ["1*", "12345", "1#34"] {
        let wrong = asked.clone().when(keys(3, wrong, 2));
        assert_eq!(wrong.state().invalid, 1);
    }
}

#[test]
fn secret_digits_stand_nowhere() {
    let asked = started(None).after([keys(2, "#", 1)]);
    let mut facts = vec![];
    let partly = asked.when(keys(3, "98", 2));
    facts.extend(partly.facts().to_vec());
    let whole = partly.and().when(keys(4, "76", 3));
    facts.extend(whole.facts().to_vec());
    assert_eq!(types(&facts), ["digits_heard", "step_taken", "collected", "ended"]);
    assert_eq!(whole.state().collected()["pin"], None);
    let lengths = facts.iter().filter_map(|fact| match fact {
        SessionEvent::Collected(collected) => Some(collected.length),
        _ => None,
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [4]);
    for fact in &facts {
        use crate::wire::DomainEvent as _;
        let bytes = fact.encode();
        let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!holds(b"98") && !holds(b"76") && !holds(b"9876"), "{fact:?}");
    }
    assert!(!format!("{:?}", whole.state()).contains("98"));
}

#[test]
fn a_closed_menu_does_what_it_says_instead() {
    let closed = |action| {
        let mut main = main_menu();
        let never = std::array::from_fn(|_| Vec::<Window>::new());
        main.hours =
            Some(Hours { timezone: "UTC".to_owned(), weekly: never, overrides: vec![], closed: action });
        Arc::new(book([(0, main), (1, below())]))
    };
    let begin = |action| scenario::<IvrSession>().when(start_in(&closed(action), None));
    let said = begin(Action::Say { text: "We are closed.".to_owned() });
    let SessionEvent::Ended(end) = said.facts().last().unwrap() else { panic!("not ended") };
    assert_eq!((end.status, end.farewell.as_deref()), (SessionStatus::Completed, Some("We are closed.")));
    assert_eq!(begin(Action::Hangup).state().status(), SessionStatus::Completed);
    assert_eq!(begin(submenu(1)).state().stack(), [menu_id(0), menu_id(1)]);
    // menus that are closed and lead to one another come to an end
    assert_eq!(begin(submenu(0)).state().status(), SessionStatus::Completed);
    assert_eq!(begin(Action::Main).state().status(), SessionStatus::Completed);
}

#[test]
fn entering_a_menu_with_hours_records_the_release_of_the_zone_rules() {
    let entered = |book: &Arc<Book>| {
        let facts = scenario::<IvrSession>().when(start_in(book, None)).facts().to_vec();
        let fact = facts.into_iter().find_map(|fact| match fact {
            SessionEvent::MenuEntered(entered) => Some(entered),
            _ => None,
        });
        fact.map(|entered| (entered.open, entered.zone_data)).unwrap()
    };
    let mut main = main_menu();
    let always = std::array::from_fn(|_| vec![Window { from: 0, to: 1_440 }]);
    let timezone = "America/Vancouver".to_owned();
    main.hours = Some(Hours { timezone, weekly: always, overrides: vec![], closed: Action::Hangup });
    let page = |terms| Page { id: menu_id(0), version: Version(1), terms: Arc::new(terms) };
    let bundled = Zones::bundled_release().to_string();
    assert_eq!(entered(&Arc::new(book([(0, main.clone())]))), (true, Some(bundled)));
    let files = [("America/Vancouver".to_owned(), fixed_zone("<-08>8"))];
    let newer = Zones::from_files("2099a".parse().unwrap(), files).unwrap();
    let newer = Arc::new(Book::of(newer, [page(main)]));
    assert_eq!(entered(&newer), (true, Some("2099a".to_owned())));
    assert_eq!(entered(&menus()), (true, None), "without hours no rule was asked");
}

#[test]
fn a_menu_that_was_given_up_meanwhile_leads_nowhere_and_the_caller_hears_the_old_one_again() {
    let alone = Arc::new(book([(0, main_menu())]));
    let given = scenario::<IvrSession>().after([start_in(&alone, None)]);
    let again = given.when(keys_in(&alone, 2, "1", 1));
    again.then_types(["ivr_session.step_taken", "ivr_session.prompted"]);
}

#[test]
fn a_session_stays_in_the_version_of_the_menu_it_entered() {
    let newer = || {
        let page = menus().page(menu_id(0)).unwrap().clone();
        let newer = crate::ivr::book::Page { version: crate::envelope::Version(2), ..page };
        Arc::new(Book::of(Zones::bundled(), [newer]))
    };
    let given = started(None);
    given.clone().when(keys_in(&newer(), 2, "4", 1)).then_refused(SessionRefusal::OtherVersion);
    assert_eq!(given.state().pins()[&menu_id(0)].0, 1);
}

#[test]
fn what_is_no_key_is_refused_and_changes_nothing() {
    let given = started(None);
    for bad in ["", "x", "12a", "1 2", "e", "١", &"1".repeat(129)] {
        given.clone().when(keys(2, bad, 1)).then_refused(SessionRefusal::NotKeys);
    }
    given
        .clone()
        .when(keys(2, &"1".repeat(128), 1))
        .then_types(["ivr_session.step_taken", "ivr_session.prompted"]);
    scenario::<IvrSession>().when(keys(2, "1", 1)).then_refused(SessionRefusal::Unknown);
}

#[test]
fn a_session_begins_once_and_ends_once() {
    let given = started(None);
    given.clone().when(start_in(&menus(), None)).then_nothing();
    let other = SessionCommand::Start {
        session: SESSION,
        id: id(9),
        menu: menu_id(0),
        call: None,
        external_id: None,
        book: menus(),
        now: at(1),
    };
    given.clone().when(other).then_refused(SessionRefusal::Exists);
    let ended = given.when(SessionCommand::End { now: at(2) }).then_types(["ivr_session.ended"]).and();
    ended.clone().when(SessionCommand::End { now: at(3) }).then_nothing();
    ended.clone().when(keys(2, "1", 3)).then_refused(SessionRefusal::Ended);
    ended.clone().when(silence(2, 3)).then_refused(SessionRefusal::Ended);
    ended.when(timer(900)).then_nothing();
    let nowhere = Arc::new(Book::default());
    scenario::<IvrSession>().when(start_in(&nowhere, None)).then_refused(SessionRefusal::NoMenu);
}

#[test]
fn while_somebody_else_is_asked_no_keys_are_taken() {
    let busy = started(None).after([keys(2, "9", 1)]);
    busy.clone().when(keys(3, "1", 2)).then_refused(SessionRefusal::Busy("your webhook"));
    busy.when(silence(3, 2)).then_refused(SessionRefusal::Busy("your webhook"));
}

#[test]
fn why_it_ended_is_why_the_call_ends() {
    let reason = |session: Scenario<IvrSession>| {
        let order = session.state().order(at(50)).unwrap();
        match order.command {
            crate::call::CallCommand::Conclude { reason, .. } => Some(reason),
            _ => None,
        }
    };
    let live = || started(Some(CALL));
    let press = |key: &'static str| {
        move |session: Scenario<IvrSession>| {
            let n = 100 + u128::from(session.state().turns());
            session.after([keys(n, key, 1)])
        }
    };
    assert_eq!(reason(press("0")(live())), Some(EndReason::IvrCompleted));
    let wrong = press("*");
    assert_eq!(reason(wrong(wrong(wrong(live())))), Some(EndReason::IvrTooManyInvalid));
    let silent = live().after([silence(2, 1), silence(3, 2), silence(4, 3)]);
    assert_eq!(reason(silent), Some(EndReason::IvrNoInput));
    assert_eq!(reason(press("7")(live())), None, "an agent takes over: the call goes on");
}
