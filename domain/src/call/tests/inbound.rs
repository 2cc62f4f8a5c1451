//! Somebody calls one of our numbers.

use super::{a_call, effect_of, retold};
use crate::call::report::{CarrierFact, LegRef};
use crate::call::terms::{CommandKind, Direction, EndReason, EndedBy, Fault, SpeechOutcome, Status};
use crate::call::{
    Answered, CallCommand, CallEvent, DEFAULT_GREETING, DEFAULT_MAX_DURATION, EffectRequested,
    INBOUND_RING_TIMEOUT, LegIdentified, Received, RejectCause, RejectRequested, Routing, SpeechRequested,
    Timer,
};
use crate::number::Route;
use crate::phone::Party;
use crate::testing::calls::*;

const INITIATED: CarrierFact = CarrierFact::Initiated { direction: Direction::Inbound };

fn received(line: &Line, seconds: i64) -> CallEvent {
    Received {
        foreign: false,
        provider: PROVIDER.to_owned(),
        leg: line.leg.clone(),
        direction: Direction::Inbound,
        from: Some(Party::new(THEIR_NUMBER).into()),
        to: Some(Party::new(OUR_NUMBER).into()),
        number_id: line.route.map(|_| OUR_NUMBER_ID),
        route: line.route,
        at: at(seconds),
        ring_until: at(seconds) + INBOUND_RING_TIMEOUT,
    }
    .into()
}

fn greeting(seconds: i64) -> CallEvent {
    let effect_id = effect_of("leg-in", "greeting");
    let text = DEFAULT_GREETING.to_owned().into();
    SpeechRequested { effect_id, seq: 1, text, at: at(seconds) }.into()
}

#[test]
fn a_call_to_an_agent_or_a_menu_is_taken() {
    for route in [AGENT, MENU] {
        let line = Line::inbound(route);
        let then = a_call().when(line.initiated(1));
        let effect_id = effect_of("leg-in", "answer");
        let taken = CallEvent::AnswerRequested(EffectRequested { effect_id, at: at(1) });
        assert_eq!(then.facts()[1..], [received(&line, 1), taken]);
        then.then_status(Status::Ringing);
    }
}

#[test]
fn a_call_to_a_number_that_refuses_or_is_not_ours_is_refused() {
    for (line, cause) in [
        (Line::inbound(Route::Reject), RejectCause::Route),
        (Line::inbound_to_nobody(), RejectCause::UnknownNumber),
    ] {
        let then = a_call().when(line.initiated(1));
        let effect_id = effect_of("leg-in", "reject");
        let refused = RejectRequested { effect_id, cause, at: at(1) }.into();
        assert_eq!(then.facts()[1..], [received(&line, 1), refused]);
    }
}

#[test]
fn a_call_that_no_credit_covers_is_refused_and_ends_for_that_reason() {
    for route in [AGENT, MENU] {
        let line = Line::inbound(route);
        let mut offered = line.initiated(1);
        if let CallCommand::Report { routing: Some(routing), .. } = &mut offered {
            routing.covered = false;
        }
        let then = a_call().when(offered);
        let effect_id = effect_of("leg-in", "reject");
        let refused = RejectRequested { effect_id, cause: RejectCause::NoCredit, at: at(1) }.into();
        assert_eq!(then.facts()[1..], [received(&line, 1), refused]);
        // the answer that a repeated webhook would bring does not come
        let call = then.and().after([line.initiated(2)]);
        let ended = call.when(CallCommand::LegLost { now: at(3) });
        let end = ended.facts().iter().find_map(|fact| match fact {
            CallEvent::Ended(end) => Some((end.reason, end.ended_by, end.fault)),
            _ => None,
        });
        assert_eq!(end, Some((EndReason::InsufficientCredits, EndedBy::System, Fault::CallerConfig)));
    }
}

#[test]
fn a_call_is_taken_or_refused_once_however_often_it_appears() {
    for line in [Line::inbound(AGENT), Line::inbound_to_nobody()] {
        let initiated = line.report(INITIATED, 1);
        let once = a_call().after([line.takes(initiated.clone())]);
        once.clone().when(line.takes(initiated.clone())).then_nothing();
        let again = line.takes(retold(initiated));
        once.when(again.clone())
            .then_types(["call.carrier_event_received"])
            .and()
            // even when the first request is settled already
            .after([accepted(effect_of("leg-in", "answer"), 2), accepted(effect_of("leg-in", "reject"), 2)])
            .when(again)
            .then_nothing();
    }
}

#[test]
fn whoever_calls_an_agent_is_greeted_on_the_answer() {
    let line = Line::inbound(AGENT);
    let then = a_call().after([line.initiated(1)]).when(line.answered(4));
    let answered = Answered { at: at(4), ends_by: at(4) + DEFAULT_MAX_DURATION }.into();
    assert_eq!(then.facts()[1..], [answered, greeting(4)]);
    then.then_status(Status::InProgress);
}

#[test]
fn whoever_calls_a_menu_is_not_greeted_but_led_there() {
    let line = Line::inbound(MENU);
    a_call().after([line.initiated(1)]).when(line.answered(4)).then_types([
        "call.carrier_event_received",
        "call.answered",
        "call.ivr_session_requested",
    ]);
}

#[test]
fn the_greeting_is_said_once_however_often_the_answer_is_told() {
    let line = Line::inbound(AGENT);
    let answered = line.report(CarrierFact::Answered, 4);
    let greeted = a_call().after([line.initiated(1), line.takes(answered.clone())]);
    greeted.clone().when(line.takes(answered.clone())).then_nothing();
    greeted.when(line.takes(retold(answered))).then_types(["call.carrier_event_received"]);
}

#[test]
fn the_greeting_is_said_once_when_the_answer_overtakes_the_beginning() {
    let line = Line::inbound(AGENT);
    a_call()
        .when(line.answered(4))
        // until we know that it was offered to us it may be somebody else's
        .then_types(["call.carrier_event_received", "call.received", "call.answered"])
        .and()
        .when(line.initiated(1))
        // not answered again; its beginning is known better now
        .then_types(["call.carrier_event_received", "call.leg_identified", "call.speech_requested"])
        .then_status(Status::InProgress);
}

#[test]
fn the_greeting_waits_until_the_route_is_known() {
    let line = Line::inbound(AGENT);
    let mut answered = line.report(CarrierFact::Answered, 4);
    (answered.from, answered.to) = (None, None);
    a_call()
        .when(line.takes(answered))
        .then_types(["call.carrier_event_received", "call.received", "call.answered"])
        .and()
        .when(line.initiated(1))
        .then_types(["call.carrier_event_received", "call.leg_identified", "call.speech_requested"])
        .and()
        .when(line.takes(retold(line.report(INITIATED, 1))))
        .then_types(["call.carrier_event_received"]);
}

#[test]
fn a_call_first_heard_of_by_news_without_parties_learns_them_later() {
    let line = Line::inbound(AGENT);
    let mut ended = line.report(CarrierFact::SpeechEnded(SpeechOutcome::Completed), 3);
    ended.leg.control_id = None;
    let begun = a_call().when(line.takes(ended)).then_types([
        "call.carrier_event_received",
        "call.received",
        "call.speech_ended",
    ]);
    assert_eq!(begun.state().control_id(), None);
    let then = begun.and().when(line.initiated(1));
    let CallEvent::Received(known) = received(&line, 1) else { panic!() };
    let identified = LegIdentified {
        foreign: false,
        leg: line.leg.clone(),
        direction: known.direction,
        from: known.from,
        to: known.to,
        number_id: known.number_id,
        route: known.route,
        appeared_at: Some(at(1)),
        at: at(1),
    };
    let effect_id = effect_of("leg-in", "answer");
    let taken = CallEvent::AnswerRequested(EffectRequested { effect_id, at: at(1) });
    assert_eq!(then.facts()[1..], [identified.into(), taken]);
    assert_eq!(then.state().control_id(), Some("v3:leg-in"));
}

#[test]
fn a_leg_somebody_else_placed_is_only_watched() {
    let line = Line { leg: leg("leg-foreign"), ..Line::dialled() };
    let mut initiated = line.report(CarrierFact::Initiated { direction: Direction::Outbound }, 1);
    let mut answered = line.report(CarrierFact::Answered, 4);
    (initiated.tag, answered.tag) = (None, None);
    a_call()
        .when(line.takes(initiated.clone()))
        .then_types(["call.carrier_event_received", "call.received"])
        .and()
        .when(timer_fired(Timer::Ring, 61))
        .then_nothing()
        .and()
        .when(line.takes(answered.clone()))
        .then_types(["call.carrier_event_received", "call.answered"]);
    // the answer alone does not say which way the leg goes; its beginning does
    let heard = CallCommand::Report {
        report: Box::new(answered),
        role: line.role,
        routing: Some(Routing { number_id: OUR_NUMBER_ID, route: MENU, covered: true }),
    };
    let then = a_call().after([heard]).when(line.takes(initiated));
    let then = then.then_types(["call.carrier_event_received", "call.leg_identified"]);
    let call = then.state();
    assert_eq!((call.direction, call.route, call.number_id), (Some(Direction::Outbound), None, None));
}

#[test]
fn a_call_that_is_to_end_is_not_taken_any_more() {
    let line = Line::inbound(AGENT);
    let first = line.says(CarrierFact::SpeechStarted, 0);
    a_call()
        .after([first, hang_up(1, 1)])
        .when(line.initiated(0))
        .then_types(["call.carrier_event_received", "call.leg_identified"])
        .and()
        .when(line.answered(2))
        .then_types(["call.carrier_event_received", "call.answered"]);
}

#[test]
fn commands_wait_for_the_carriers_name_of_the_leg() {
    let line = Line::inbound(AGENT);
    let mut initiated = line.report(INITIATED, 1);
    initiated.leg = LegRef { control_id: None, ..initiated.leg };
    let then = a_call().when(line.takes(initiated));
    let effect_id = effect_of("leg-in", "answer");
    assert!(matches!(super::outgoing(then.state(), effect_id), Some(crate::call::Outgoing::NoLegYet)));
    let then = then.and().when(line.answered(2));
    assert!(matches!(super::outgoing(then.state(), effect_id), Some(crate::call::Outgoing::Leg(_))));
}

#[test]
fn a_leg_that_was_never_offered_to_us_is_recorded_and_nothing_is_done_with_it() {
    let ours = Line::inbound(AGENT);
    let placed_elsewhere = Line { direction: Direction::Outbound, ..Line::inbound_to_nobody() };
    let begun_before =
        [CarrierFact::Answered, CarrierFact::Dtmf('1'.into()), utterance("hello"), CarrierFact::Bridged];
    let mut histories: Vec<_> = begun_before.into_iter().map(|fact| vec![ours.says(fact, 3)]).collect();
    let mut elsewhere = placed_elsewhere.report(CarrierFact::Initiated { direction: Direction::Outbound }, 1);
    elsewhere.tag = None;
    histories.push(vec![placed_elsewhere.takes(elsewhere)]);
    for mut history in histories {
        let mut answered = ours.report(CarrierFact::Answered, 4);
        answered.tag = None;
        history.push(ours.takes(answered));
        history.extend([timer_fired(Timer::Ring, 70), timer_fired(Timer::MaxDuration, 90_000)]);
        let call = a_call().after(history);
        assert!(call.state().exists() && !call.state().is_over());
        assert!(call.state().pending.is_empty(), "{:?}", call.state().pending);
        assert_eq!((call.state().ivr_session(), call.state().conversation()), (None, None));
    }
    // what overtook the offer does not stand in its way
    let call = a_call().after([ours.says(CarrierFact::Noted, 2), ours.initiated(1)]);
    assert!(call.state().pending.values().any(|effect| effect.kind() == CommandKind::Answer));
}
