//! A hang-up over REST, wherever the call stands.

use super::{a_call, ended, outgoing};
use crate::call::terms::{EndReason, EndedBy, Fault, Status};
use crate::call::{CallCommand, CallRefusal, HangUpRequested, Outgoing};
use crate::ports::telephony::LegAction;
use crate::testing::calls::*;

fn requested(seconds: i64) -> crate::call::CallEvent {
    let (reason, by) = (EndReason::ApiHangup, EndedBy::Operator);
    HangUpRequested { effect_id: id(1), reason, by, at: at(seconds) }.into()
}

#[test]
fn a_queued_call_is_taken_back_at_once() {
    let then = a_call().after([queued()]).when(hang_up(1, 1));
    let end = ended(&then);
    assert_eq!((end.reason, end.ended_by, end.fault), (EndReason::Cancelled, EndedBy::Operator, Fault::None));
    let over = then.then_status(Status::Failed).and();
    assert!(outgoing(over.state(), DIAL).is_none());
    over.when(start_dial(2)).then_refused(CallRefusal::Settled);
}

#[test]
fn a_queued_call_we_give_up_keeps_our_reason() {
    let (reason, by) = (EndReason::InsufficientCredits, EndedBy::System);
    let then = a_call().after([queued()]).when(CallCommand::HangUp { id: id(1), reason, by, now: at(1) });
    let end = ended(&then);
    assert_eq!((end.reason, end.ended_by, end.fault), (reason, by, Fault::CallerConfig));
}

#[test]
fn a_call_on_its_way_to_the_carrier_is_ended_as_soon_as_it_has_a_leg() {
    let then = a_call().after([queued(), start_dial(1)]).when(hang_up(1, 2)).then([requested(2)]);
    assert!(matches!(outgoing(then.state(), id(1)), Some(Outgoing::NoLegYet)));
    let then = then.then_status(Status::Dialing).and().when(accept_dial(3));
    let Some(Outgoing::Leg(command)) = outgoing(then.state(), id(1)) else { panic!("no hang-up") };
    assert!(matches!(command.action, LegAction::HangUp));
    assert_eq!((command.command_id, command.control_id.as_str()), (id(1), "v3:leg-out"));
}

#[test]
fn a_hang_up_waits_while_the_dial_is_unknown() {
    let lost = a_call().after([queued(), start_dial(1), lose_dial(6)]);
    let then = lost.when(hang_up(1, 7)).then([requested(7)]).then_status(Status::DialUnknown);
    assert!(matches!(outgoing(then.state(), id(1)), Some(Outgoing::NoLegYet)));
    let waiting = then.and();
    // it shows up: it is ended
    let found = waiting.clone().when(Line::dialled().initiated(3));
    assert!(matches!(outgoing(found.state(), id(1)), Some(Outgoing::Leg(_))));
    // it never does: the client got what it wanted
    let never = waiting.when(fail_dial(EndReason::DialTimeout, Fault::Provider, 70));
    let end = ended(&never);
    assert_eq!((end.reason, end.ended_by, end.fault), (EndReason::Cancelled, EndedBy::Operator, Fault::None));
}

#[test]
fn a_dial_put_off_is_not_tried_again_once_the_client_gave_up() {
    let then = a_call()
        .after([queued(), start_dial(1), hang_up(1, 2)])
        .when(CallCommand::PostponeDial { effect_id: DIAL, now: at(3) })
        .then_types(["call.dial_postponed", "call.ended"]);
    let end = ended(&then);
    assert_eq!((end.reason, end.ended_by), (EndReason::Cancelled, EndedBy::Operator));
    then.and().when(start_dial(4)).then_refused(CallRefusal::Settled);
}

#[test]
fn a_ringing_or_talking_call_is_ended_by_the_carrier() {
    let ringing = vec![Line::inbound(AGENT).initiated(1)];
    for history in [ringing, talking_inbound(AGENT), talking_outbound()] {
        let call = a_call().after(history);
        let status = call.state().status();
        let then = call.when(hang_up(1, 20)).then([requested(20)]);
        assert!(matches!(outgoing(then.state(), id(1)), Some(Outgoing::Leg(_))));
        then.then_status(status); // until the carrier says it is over
    }
}

#[test]
fn a_second_hang_up_is_no_news_whoever_asks() {
    let asked = a_call().after(talking_outbound()).after([hang_up(1, 20)]);
    asked.clone().when(hang_up(1, 21)).then_nothing();
    asked.clone().when(hang_up(2, 21)).then_nothing();
    asked.after([Line::dialled().hung_up(22)]).when(hang_up(3, 23)).then_nothing();
}

#[test]
fn a_hang_up_the_carrier_refuses_ends_the_call_for_us() {
    let asked = a_call().after(talking_outbound()).after([hang_up(1, 20)]);
    let then = asked.clone().when(failed(id(1), "10009", false, 21));
    let end = ended(&then.then_types(["call.command_failed", "call.ended"]));
    assert_eq!((end.reason, end.ended_by), (EndReason::ProviderError, EndedBy::Provider));
    assert_eq!((end.fault, end.connected), (Fault::Provider, true));
    // an answer "it is over already" means success; the webhook about it brings the rest
    let then = asked.when(failed(id(1), "90018", true, 21)).then_types(["call.command_failed"]);
    let then = then.then_status(Status::InProgress).and().when(Line::dialled().hung_up(22));
    assert_eq!(ended(&then).reason, EndReason::ApiHangup);
}
