//! Webhooks that come twice, late or before their time.

use super::{a_call, ended, retold};
use crate::call::report::{CarrierFact, HangUpCause, HangUpSource};
use crate::call::terms::{Direction, EndReason, EndedBy, Status};
use crate::call::{Answered, CallEvent, Received, Timer};
use crate::testing::calls::*;

fn abandoned() -> CarrierFact {
    hang_up_report(HangUpCause::Cancelled, HangUpSource::Caller, "originator_cancel", Some(487))
}

#[test]
fn an_end_may_come_before_the_beginning() {
    let line = Line::inbound(AGENT);
    let then = a_call().when(line.hung_up(30)).then_types([
        "call.carrier_event_received",
        "call.received",
        "call.ended",
    ]);
    let end = ended(&then);
    assert_eq!((end.reason, end.ended_by), (EndReason::CallerHangup, EndedBy::Caller));
    // neither taken nor greeted any more, but known to have begun and to have been answered
    let then = then.then_status(Status::Ended).and().when(line.initiated(1));
    let then = then.then_types(["call.carrier_event_received", "call.leg_identified"]);
    let then = then.and().when(line.answered(4));
    let late = Answered { at: at(4), ends_by: at(30) }.into();
    assert_eq!(then.facts()[1..], [late]);
    then.then_status(Status::Ended);
}

#[test]
fn a_call_abandoned_before_we_heard_of_it_is_never_taken() {
    let line = Line::inbound(AGENT);
    let then = a_call().when(line.says(abandoned(), 3));
    assert_eq!(ended(&then).reason, EndReason::Cancelled);
    let over = then.then_status(Status::Failed).and();
    let then = over.when(line.initiated(1));
    then.then_types(["call.carrier_event_received", "call.leg_identified"]).then_status(Status::Failed);
}

#[test]
fn an_answer_told_after_the_end_shows_that_the_call_had_connected() {
    let line = Line::dialled();
    let unclear = hang_up_report(HangUpCause::Unspecified, HangUpSource::Unknown, "unspecified", None);
    let call = a_call().after([queued(), start_dial(1), accept_dial(2), line.says(unclear, 30)]);
    assert_eq!(call.state().status(), Status::Failed);
    let then = call.when(line.answered(9)).then_types(["call.carrier_event_received", "call.answered"]);
    then.then_status(Status::Ended);
}

#[test]
fn nothing_revives_a_call() {
    let (inbound, outbound) = (Line::inbound(AGENT), Line::dialled());
    let ringing = vec![queued(), start_dial(1), accept_dial(2), outbound.initiated(3)];
    for (line, history) in [
        (inbound.clone(), vec![inbound.initiated(1)]),
        (inbound, talking_inbound(AGENT)),
        (outbound.clone(), ringing),
        (outbound, talking_outbound()),
    ] {
        let over = a_call().after(history).after([line.hung_up(30)]);
        let late = [
            CarrierFact::Initiated { direction: line.direction },
            CarrierFact::Answered,
            CarrierFact::Bridged,
            CarrierFact::Dtmf('1'.into()),
            utterance("hello?"),
            recording_saved(),
            cost(1),
            abandoned(),
        ];
        for fact in late {
            let news = line.takes(retold(line.report(fact, 31)));
            let then = over.clone().when(news);
            assert!(then.facts().iter().all(|fact| !matches!(fact, CallEvent::Ended(_))));
            assert!(then.state().is_over() && then.state().pending.is_empty());
            then.then_status(Status::Ended);
        }
        for command in [hang_up(1, 31), timer_fired(Timer::Ring, 60), timer_fired(Timer::MaxDuration, 9000)] {
            over.clone().when(command).then_nothing();
        }
    }
}

#[test]
fn the_same_webhook_again_is_no_news_wherever_the_call_stands() {
    let line = Line::inbound(AGENT);
    let facts = [
        CarrierFact::Initiated { direction: Direction::Inbound },
        CarrierFact::Answered,
        CarrierFact::Dtmf('1'.into()),
        utterance("hello"),
        remote_hang_up(Direction::Inbound),
        recording_saved(),
        cost(14_400),
    ];
    let commands: Vec<_> = facts.into_iter().zip(1..).map(|(fact, n)| line.says(fact, n)).collect();
    let mut call = a_call();
    for n in 0..commands.len() {
        call = call.after([commands[n].clone()]);
        for earlier in &commands[..=n] {
            call.clone().when(earlier.clone()).then_nothing();
        }
    }
}

#[test]
fn webhooks_of_two_carriers_may_share_an_id() {
    let line = Line::inbound(AGENT);
    let mut other = line.report(CarrierFact::Dtmf('1'.into()), 9);
    let call = a_call().after(talking_inbound(AGENT)).after([line.takes(other.clone())]);
    other.provider = "another".to_owned();
    call.when(line.takes(other)).then_types(["call.carrier_event_received", "call.dtmf_received"]);
}

#[test]
fn our_tag_on_an_unknown_leg_names_a_call_we_placed() {
    let line = Line::dialled();
    let then = a_call().when(line.answered(9));
    let Some(CallEvent::Received(Received { direction, route, .. })) = then.facts().get(1) else {
        panic!("{:?}", then.facts())
    };
    assert_eq!((*direction, *route), (Direction::Outbound, None));
    then.then_status(Status::InProgress);
}
