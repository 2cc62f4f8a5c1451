//! Sessions on a call, and what the call is asked and reports.

use super::*;
use crate::call::report::CarrierFact;
use crate::call::terms::{CommandKind, EndReason, SpeechOutcome};
use crate::call::{Call, CallCommand, CallEvent, IvrNews, Outcome as Settled, Timer};
use crate::testing::calls::{Line, MENU, accept_dial, queue, queued, start_dial, talking_inbound};

fn talking() -> Scenario<Call> {
    scenario::<Call>().after(talking_inbound(MENU))
}

fn gather(session: &Scenario<IvrSession>) -> CallCommand {
    session.state().order(at(5)).expect("an order").command
}

fn news(event: &CallEvent) -> &IvrNews {
    match event {
        CallEvent::IvrNotified(told) => &told.news,
        other => panic!("{other:?}"),
    }
}

fn reported(fact: CarrierFact, ask: Option<Uuid>, seconds: i64) -> CallCommand {
    let line = Line::inbound(MENU);
    let mut report = line.report(fact, seconds);
    report.ask = ask;
    report.event_id = format!("{}/{ask:?}", report.event_id);
    line.takes(report)
}

fn ended(digits: &str, status: &str, ask: Option<Uuid>, seconds: i64) -> CallCommand {
    let fact = CarrierFact::Gathered { digits: digits.to_owned().into(), status: status.to_owned() };
    reported(fact, ask, seconds)
}

#[test]
fn a_call_to_a_menu_asks_for_its_session_once_it_is_answered() {
    let line = Line::inbound(MENU);
    let answered = scenario::<Call>().after([line.initiated(1)]).when(line.answered(4));
    let last = answered.facts().last().unwrap();
    let CallEvent::IvrSessionRequested(requested) = last else { panic!("{last:?}") };
    assert_eq!(answered.state().ivr_session(), Some(requested.session_id));
    // also when the answer comes first: once we know that the call was offered to us
    let early = scenario::<Call>().when(line.answered(4));
    assert_eq!(early.state().ivr_session(), None);
    assert!(early.and().when(line.initiated(4)).state().ivr_session().is_some());
    let agent = scenario::<Call>().after(talking_inbound(crate::testing::calls::AGENT));
    assert_eq!(agent.state().ivr_session(), None);
}

#[test]
fn a_call_we_place_for_a_menu_asks_for_its_session_too() {
    let line = Line::dialled();
    let mut order = queue();
    order.menu_id = Some(menu_id(0));
    let given =
        scenario::<Call>().after([CallCommand::Queue(Box::new(order)), start_dial(1), accept_dial(2)]);
    let answered = given.when(line.answered(9));
    assert!(matches!(answered.facts().last(), Some(CallEvent::IvrSessionRequested(_))));
    let plain = scenario::<Call>().after([queued(), start_dial(1), accept_dial(2)]).when(line.answered(9));
    assert_eq!(plain.state().ivr_session(), None);
}

#[test]
fn what_was_gathered_is_told_once_and_the_call_forgets_the_gather_before() {
    let session = started(Some(CALL));
    let ask = waiting(session.state()).ask;
    let asked = talking().when(gather(&session)).then_types(["call.gather_requested"]).and();
    asked.clone().when(gather(&session)).then_nothing();
    let told = asked.clone().when(ended("1", "valid", Some(ask), 8));
    let expected =
        IvrNews::Gathered { ask, digits: Some("1".to_owned().into()), length: 1, status: "valid".to_owned() };
    assert_eq!(news(told.facts().last().unwrap()), &expected);
    let again = told.and().when(ended("1", "valid", Some(ask), 9));
    assert!(!again.facts().iter().any(|fact| matches!(fact, CallEvent::IvrNotified(_))));
    // one that is cancelled made room for this one, whatever the leg's state names by then
    let cancelled = asked.clone().when(ended("", "cancelled", Some(ask), 8));
    assert!(!cancelled.facts().iter().any(|fact| matches!(fact, CallEvent::IvrNotified(_))));
    let still = cancelled.and().when(ended("1", "valid", Some(ask), 9));
    assert!(matches!(still.facts().last(), Some(CallEvent::IvrNotified(_))));
    // one that says nothing of itself is taken for the newest, unless it is older than that
    let silent = |seconds| asked.clone().when(ended("1", "valid", None, seconds));
    assert!(matches!(silent(8).facts().last(), Some(CallEvent::IvrNotified(_))));
    assert!(
        matches!(silent(4).facts().last(), Some(CallEvent::IvrNotified(_))),
        "the carrier's clock is slow"
    );
    assert!(!matches!(silent(-60).facts().last(), Some(CallEvent::IvrNotified(_))));
    let stranger = asked.when(ended("1", "valid", Some(id(77)), 8));
    assert!(!matches!(stranger.facts().last(), Some(CallEvent::IvrNotified(_))));
}

#[test]
fn a_single_key_that_was_asked_for_is_told_before_the_gathers_end_and_only_once() {
    let mut order = match gather(&started(Some(CALL))) {
        CallCommand::Gather(order) => order,
        other => panic!("{other:?}"),
    };
    order.max_digits = 1;
    let ask = order.id;
    let asked = talking().after([CallCommand::Gather(order.clone())]);
    let key = |digit: char, seconds| reported(CarrierFact::Dtmf(digit.into()), Some(ask), seconds);
    let told = asked.when(key('2', 8));
    assert_eq!(news(told.facts().last().unwrap()), &IvrNews::Keyed { ask, digit: '2'.into() });
    let after = told.and();
    for late in [key('3', 9), ended("2", "valid", Some(ask), 9)] {
        let late = after.clone().when(late);
        assert!(!late.facts().iter().any(|fact| matches!(fact, CallEvent::IvrNotified(_))));
    }
    // of several keys only the carrier knows the order
    order.max_digits = 4;
    let several = talking().after([CallCommand::Gather(order)]).after([key('2', 9), key('1', 8)]);
    assert_eq!(several.state().keys_heard(ask), Some(Keyed::Plain("12".to_owned().into())));
    assert_eq!(several.state().keys_heard(id(77)), None);
}

#[test]
fn secret_keys_are_not_kept_in_whatever_order_they_are_told() {
    let session = started(Some(CALL));
    let session = session.after([gathered(2, waiting(started(Some(CALL)).state()).ask, plain("#"), 5)]);
    let ask = waiting(session.state()).ask;
    let asked = talking().after([session.state().order(at(6)).unwrap().command]);
    let key = |seconds| reported(CarrierFact::Dtmf('7'.into()), Some(ask), seconds);
    let over = asked.clone().after([key(8)]).when(ended("7788", "valid", Some(ask), 9));
    let expected = IvrNews::Gathered { ask, digits: None, length: 4, status: "valid".to_owned() };
    assert_eq!(news(over.facts().last().unwrap()), &expected);
    let late = over.and().when(key(10));
    let untagged = asked.clone().when(ended("7788", "valid", None, 9));
    for facts in [asked.when(key(8)).facts(), late.facts(), untagged.facts()] {
        for fact in facts {
            let hidden = match fact {
                CallEvent::CarrierEventReceived(receipt) => receipt.raw.reveal().is_none(),
                CallEvent::DtmfReceived(received) => received.digit.reveal().is_none(),
                CallEvent::DigitsGathered(gathered) => gathered.digits.reveal().is_none(),
                CallEvent::IvrNotified(told) => {
                    !matches!(&told.news, IvrNews::Gathered { digits: Some(_), .. })
                }
                _ => true,
            };
            assert!(hidden, "{fact:?}");
        }
    }
}

#[test]
fn the_end_of_the_call_a_transfer_and_a_gather_that_failed_are_told() {
    let line = Line::inbound(MENU);
    let session = started(Some(CALL));
    let ask = waiting(session.state()).ask;
    let asked = talking().after([gather(&session)]);
    let gone = asked.clone().when(line.hung_up(9));
    assert_eq!(news(gone.facts().last().unwrap()), &IvrNews::Ended { by_caller: true });
    let outcome = Settled::Failed { code: "90010".to_owned(), gone: false };
    let failed = asked.when(CallCommand::Settle { effect_id: ask, outcome, attempts: 1, now: at(9) });
    assert_eq!(news(failed.facts().last().unwrap()), &IvrNews::OrderFailed { ask, gone: false });
    let handed = session.after([gathered(2, ask, plain("8"), 5)]);
    let transfer = waiting(handed.state()).ask;
    let asked = talking().after([handed.state().order(at(6)).unwrap().command]);
    let bridged = asked.clone().when(line.bridged(9));
    assert_eq!(news(bridged.facts().last().unwrap()), &IvrNews::TransferConnected { ask: transfer });
    let busy = Settled::Failed { code: "busy".to_owned(), gone: false };
    let failed =
        asked.when(CallCommand::Settle { effect_id: transfer, outcome: busy, attempts: 1, now: at(9) });
    assert_eq!(news(failed.facts().last().unwrap()), &IvrNews::TransferFailed { ask: transfer });
}

#[test]
fn a_call_ends_once_its_last_words_are_said_or_overdue() {
    let conclude = CallCommand::Conclude {
        id: id(5),
        farewell: Some("We are closed.".to_owned()),
        reason: EndReason::IvrCompleted,
        by: crate::call::terms::EndedBy::System,
        now: at(5),
    };
    let planned = talking().when(conclude.clone());
    let planned = planned.then_types(["call.speech_requested", "call.hangup_planned"]).and();
    planned.clone().when(conclude).then_nothing();
    let over = reported(CarrierFact::SpeechEnded(SpeechOutcome::Completed), None, 8);
    let said = planned.clone().when(over);
    let last = said.facts().last().unwrap();
    let CallEvent::HangUpRequested(request) = last else { panic!("{last:?}") };
    assert_eq!((request.effect_id, request.reason), (id(5), EndReason::IvrCompleted));
    let overdue = CallCommand::TimerFired { timer: Timer::Farewell, now: at(60) };
    planned.when(overdue.clone()).then_types(["call.hangup_requested"]);
    said.and().when(overdue).then_nothing();
    talking().when(CallCommand::TimerFired { timer: Timer::Farewell, now: at(60) }).then_nothing();
}

#[test]
fn a_session_is_begun_on_a_call_that_is_talked_on_and_has_none() {
    let agent = || scenario::<Call>().after(talking_inbound(crate::testing::calls::AGENT));
    let begin = |session| CallCommand::StartIvr { session, menu: menu_id(0), now: at(6) };
    let begun = agent().when(begin(SESSION)).then_types(["call.ivr_session_requested"]).and();
    begun.clone().when(begin(SESSION)).then_nothing();
    let other = crate::ids::IvrSessionId(id(8));
    begun.when(begin(other)).then_refused(crate::call::CallRefusal::IvrUnderWay);
    assert!(agent().after([Line::inbound(MENU).hung_up(7)]).when(begin(SESSION)).decision().is_err());
}

#[test]
fn an_order_is_for_the_call_as_the_session_stands() {
    let session = started(Some(CALL));
    assert!(matches!(gather(&session), CallCommand::Gather(_)));
    assert!(started(None).state().order(at(5)).is_none());
    let ask = waiting(session.state()).ask;
    let asked = session.clone().after([gathered(2, ask, plain("9"), 5)]);
    assert!(
        asked.state().order(at(6)).is_none(),
        "while the client's system is asked the call has nothing to do"
    );
    let gone = session.after([hang_up(3, 6)]);
    assert!(gone.state().order(at(7)).is_none());
    assert_eq!(CommandKind::Gather.as_str(), "gather");
}

/// Asks for one key, and a call with the first of them, 61, at second 5.
fn one_key_asks() -> (impl Fn(u128, i64) -> CallCommand, Scenario<Call>) {
    let order = match gather(&started(Some(CALL))) {
        CallCommand::Gather(order) => order,
        other => panic!("{other:?}"),
    };
    let ask = move |n: u128, seconds: i64| {
        let mut order = order.clone();
        (order.id, order.max_digits, order.now) = (id(n), 1, at(seconds));
        CallCommand::Gather(order)
    };
    let first = talking().after([ask(61, 5)]);
    (ask, first)
}

fn key(digit: char, ask: Option<Uuid>, seconds: i64) -> CallCommand {
    let mut told = reported(CarrierFact::Dtmf(digit.into()), ask, seconds);
    if let CallCommand::Report { report, .. } = &mut told {
        report.event_id.push(digit);
    }
    told
}

fn all_news(facts: &[CallEvent]) -> Vec<IvrNews> {
    facts
        .iter()
        .filter(|fact| matches!(fact, CallEvent::IvrNotified(_)))
        .map(|fact| news(fact).clone())
        .collect()
}

#[test]
fn a_key_told_twice_is_taken_once_by_whatever_clock_and_name() {
    let (ask, first) = one_key_asks();
    for named in [Some(id(61)), None] {
        // both are dated later than the next ask is by our clock, and come in either order
        let (alone, gathered) = (key('1', named, 9), ended("1", "valid", named, 9));
        for (told, again) in [(&alone, &gathered), (&gathered, &alone)] {
            let told = first.clone().when(told.clone());
            assert_eq!(all_news(told.facts()).len(), 1);
            let next = told.and().when(ask(62, 8)).then_types(["call.gather_requested"]);
            let late = next.and().when(again.clone());
            assert_eq!(all_news(late.facts()), []);
            let second = late.and().when(key('1', None, 10));
            assert_eq!(all_news(second.facts()), [IvrNews::Keyed { ask: id(62), digit: '1'.into() }]);
        }
    }
}

#[test]
fn keys_pressed_ahead_answer_the_next_ask_without_its_prompt() {
    let (ask, first) = one_key_asks();
    for named in [Some(id(61)), None] {
        let keyed = first.clone().after([key('1', named, 8), key('2', named, 8)]);
        let next = keyed.when(ask(62, 8)).then_types(["call.ivr_notified"]);
        assert_eq!(all_news(next.facts()), [IvrNews::Keyed { ask: id(62), digit: '2'.into() }]);
        let after = next.and();
        after.clone().when(ask(62, 9)).then_nothing();
        let after = after.after([ended("1", "valid", named, 8)]);
        after.when(ask(63, 9)).then_types(["call.gather_requested"]);
        // or the key comes while the prompt is on its way
        let asked = first.clone().after([key('1', named, 8), ask(62, 8)]);
        let late = asked.when(key('2', named, 8));
        assert_eq!(all_news(late.facts()), [IvrNews::Keyed { ask: id(62), digit: '2'.into() }]);
    }
}

#[test]
fn keys_pressed_ahead_of_an_entry_of_several_are_its_first_ones() {
    let (_, first) = one_key_asks();
    let several = |max_digits| {
        let CallCommand::Gather(mut order) = one_key_asks().0(62, 8) else { panic!() };
        (order.max_digits, order.terminator) = (max_digits, Some('#'));
        CallCommand::Gather(order)
    };
    let keyed = first.after(['1', '8', '3'].into_iter().zip(6..).map(|(digit, n)| key(digit, None, n)));
    let gathered = |digits: &str, status: &str| {
        let digits = digits.to_owned();
        let length = u32::try_from(digits.len()).unwrap();
        IvrNews::Gathered { ask: id(62), digits: Some(digits.into()), length, status: status.to_owned() }
    };
    let whole = keyed.clone().when(several(2)).then_types(["call.ivr_notified"]);
    assert_eq!(all_news(whole.facts()), [gathered("83", "valid")]);
    let part = keyed.clone().when(several(4)).then_types(["call.gather_requested"]);
    let CallEvent::GatherRequested(request) = &part.facts()[0] else { panic!() };
    assert_eq!(request.max_digits, 2);
    let part = part.and().after([key('6', None, 10), key('1', None, 11)]);
    let end = part.when(ended("61", "valid", Some(id(62)), 11));
    assert_eq!(all_news(end.facts()), [gathered("8361", "valid")]);
    let closed = keyed.after([key('#', None, 9)]).when(several(4)).then_types(["call.ivr_notified"]);
    assert_eq!(all_news(closed.facts()), [gathered("83", "valid")]);
    let ask = one_key_asks().0;
    closed.and().when(ask(63, 12)).then_types(["call.gather_requested"]);
}

#[test]
fn an_end_without_a_name_is_that_of_the_oldest_gather_it_is_due_of() {
    let (ask, first) = one_key_asks();
    // the second ask is answered before the carrier began to gather for it: its silence means nothing to the third
    let third = first.after([key('1', None, 8), ended("1", "valid", None, 8), ask(62, 8), key('2', None, 9)]);
    let third = third.after([ask(63, 9)]);
    let late = third.when(ended("", "timeout", None, 14));
    assert_eq!(all_news(late.facts()), []);
    let own = late.and().when(ended("", "timeout", None, 15));
    assert_eq!(all_news(own.facts()).len(), 1);
}

#[test]
fn keys_of_an_ask_that_the_session_gave_up_are_not_kept_for_the_next() {
    let CallCommand::Gather(mut order) = one_key_asks().0(61, 5) else { panic!() };
    order.max_digits = 4;
    let asked = talking().after([CallCommand::Gather(order), key('1', None, 8)]);
    asked.when(one_key_asks().0(62, 9)).then_types(["call.gather_requested"]);
}
