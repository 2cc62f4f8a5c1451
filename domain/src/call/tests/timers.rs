//! Timers of a call: what sets them, what they do, when they come too late.

use std::time::Duration;

use super::{a_call, ended};
use crate::call::terms::{EndReason, EndedBy, Status};
use crate::call::{CallEvent, DEFAULT_MAX_DURATION, INBOUND_RING_TIMEOUT, Reaction, Timer, react};
use crate::testing::calls::*;

fn armed(facts: &[CallEvent]) -> Vec<(Timer, Duration)> {
    let reactions = facts.iter().flat_map(react);
    reactions
        .filter_map(|reaction| match reaction {
            Reaction::Arm { timer, after } => Some((timer, after.to_std().unwrap_or_default())),
            _ => None,
        })
        .collect()
}

#[test]
fn nobody_answers_for_ever() {
    let line = Line::inbound(AGENT);
    let then = a_call().when(line.initiated(1));
    assert_eq!(armed(then.facts()), [(Timer::Ring, INBOUND_RING_TIMEOUT)]);
    let dialled = a_call().after([queued()]).when(start_dial(1));
    assert_eq!(armed(dialled.facts()), [(Timer::Ring, Duration::from_secs(30 + 10))]);
    for (call, line) in [(then.and(), line), (dialled.and().after([accept_dial(2)]), Line::dialled())] {
        let then = call.when(timer_fired(Timer::Ring, 61)).then_types(["call.hangup_requested"]);
        let cancelled = hang_up_report(
            crate::call::report::HangUpCause::Cancelled,
            crate::call::report::HangUpSource::Caller,
            "originator_cancel",
            Some(487),
        );
        let end = ended(&then.and().when(line.says(cancelled, 62)));
        assert_eq!((end.reason, end.ended_by), (EndReason::NoAnswer, EndedBy::System));
    }
}

#[test]
fn nobody_talks_for_ever() {
    let line = Line::inbound(AGENT);
    let answered = a_call().after([line.initiated(1)]).when(line.answered(4));
    assert_eq!(armed(answered.facts()), [(Timer::MaxDuration, DEFAULT_MAX_DURATION)]);
    let line = Line::dialled();
    let dialled = a_call().after([queued(), start_dial(1), accept_dial(2)]).when(line.answered(9));
    assert_eq!(armed(dialled.facts()), [(Timer::MaxDuration, Duration::from_secs(3600))]);
    let then = dialled.and().when(timer_fired(Timer::MaxDuration, 3609));
    let then = then.then_types(["call.hangup_requested"]).and().when(line.hung_up(3610));
    let end = ended(&then);
    assert_eq!((end.reason, end.ended_by), (EndReason::MaxDuration, EndedBy::System));
    then.then_status(Status::Ended);
}

#[test]
fn who_hung_up_before_the_limit_is_not_cut_off_by_it_however_late_we_hear_of_it() {
    let line = Line::inbound(AGENT);
    let overdue =
        a_call().after([line.initiated(1), line.answered(4), timer_fired(Timer::MaxDuration, 90_000)]);
    let end = ended(&overdue.when(line.hung_up(40)));
    assert_eq!((end.reason, end.ended_by), (EndReason::CallerHangup, EndedBy::Caller));
}

#[test]
fn a_call_given_up_for_ringing_that_was_answered_and_hung_up_meanwhile_ended_by_the_callee() {
    let line = Line::dialled();
    let given_up = a_call().after([queued(), start_dial(1), accept_dial(2), timer_fired(Timer::Ring, 42)]);
    let end = ended(&given_up.when(line.hung_up(35)));
    assert_eq!((end.reason, end.ended_by, end.connected), (EndReason::CallerHangup, EndedBy::Caller, true));
}

#[test]
fn the_ring_timer_is_stopped_by_the_answer_and_by_a_dial_put_off() {
    let line = Line::dialled();
    let sent = a_call().after([queued(), start_dial(1)]);
    let put_off = crate::call::CallCommand::PostponeDial { effect_id: DIAL, now: at(2) };
    for command in [line.answered(9), put_off] {
        let then = sent.clone().when(command);
        assert!(then.facts().iter().flat_map(react).any(|r| r == Reaction::Disarm { timer: Timer::Ring }));
    }
}

#[test]
fn a_timer_that_comes_too_late_does_nothing() {
    let queued_only = vec![queued()];
    let asked = [talking_outbound(), vec![hang_up(1, 20)]].concat();
    let over = [talking_outbound(), vec![Line::dialled().hung_up(20)]].concat();
    for (history, timer) in [
        (queued_only.clone(), Timer::Ring),
        (queued_only, Timer::MaxDuration),
        (vec![queued(), start_dial(1)], Timer::MaxDuration),
        (talking_outbound(), Timer::Ring),
        (asked.clone(), Timer::MaxDuration),
        (asked, Timer::Ring),
        (over.clone(), Timer::MaxDuration),
        (over, Timer::Ring),
    ] {
        a_call().after(history).when(timer_fired(timer, 9999)).then_nothing();
    }
}

#[test]
fn a_timer_that_fires_twice_ends_the_call_once_under_one_id() {
    let call = a_call().after(talking_inbound(AGENT));
    let effect = |facts: &[CallEvent]| match facts {
        [CallEvent::HangUpRequested(request)] => request.effect_id,
        other => panic!("{other:?}"),
    };
    let first = call.clone().when(timer_fired(Timer::MaxDuration, 20_000));
    let elsewhere = call.when(timer_fired(Timer::MaxDuration, 20_001));
    assert_eq!(effect(first.facts()), effect(elsewhere.facts()));
    first.and().when(timer_fired(Timer::MaxDuration, 20_002)).then_nothing();
}

#[test]
fn an_answer_told_after_the_end_sets_no_timer_beyond_it() {
    let line = Line::inbound(AGENT);
    let then = a_call().after([line.initiated(1), line.hung_up(30)]).when(line.answered(4));
    assert_eq!(armed(then.facts()), [(Timer::MaxDuration, Duration::from_secs(26))]);
}

#[test]
fn the_names_of_timers_are_stored_and_read_back() {
    for timer in [Timer::Ring, Timer::MaxDuration] {
        assert_eq!(Timer::from_name(timer.as_str()), Some(timer));
    }
    assert_eq!(Timer::from_name("another"), None);
}
