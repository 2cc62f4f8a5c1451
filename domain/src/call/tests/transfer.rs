//! A call is handed to another party.

use super::{a_call, ended, outgoing};
use crate::call::report::{CarrierFact, HangUpCause, HangUpSource};
use crate::call::terms::{EndReason, EndedBy, Status};
use crate::call::{Call, CallRefusal, Outgoing, TransferConnected, TransferFailed, TransferRequested};
use crate::phone::Party;
use crate::ports::telephony::LegAction;
use crate::testing::calls::*;
use crate::testing::scenario::Scenario;

fn transferring() -> Scenario<Call> {
    a_call().after(talking_inbound(AGENT)).after([transfer(1, 10)])
}

fn busy() -> CarrierFact {
    hang_up_report(HangUpCause::Busy, HangUpSource::Callee, "user_busy", Some(486))
}

#[test]
fn a_transfer_asks_the_carrier_under_the_clients_own_number() {
    for history in [talking_inbound(AGENT), talking_outbound()] {
        let fact = TransferRequested { effect_id: id(1), to: Party::new(COLLEAGUE).into(), at: at(10) };
        let then = a_call().after(history).when(transfer(1, 10)).then([fact.into()]);
        let Some(Outgoing::Leg(command)) = outgoing(then.state(), id(1)) else { panic!("no transfer") };
        let LegAction::Transfer { to, from } = &command.action else { panic!("{:?}", command.action) };
        assert_eq!(to.reveal(), Some(&Party::new(COLLEAGUE)));
        // Telnyx would show the number leg A called: on an outbound call, that of the person we called
        assert_eq!(from.as_ref().and_then(|from| from.reveal()), Some(&Party::new(OUR_NUMBER)));
    }
}

#[test]
fn a_transfer_connects_when_either_leg_says_so() {
    for line in [Line::transfer_target(), Line::inbound(AGENT)] {
        let then = transferring().when(line.bridged(15));
        assert_eq!(then.facts()[1..], [TransferConnected { at: at(15) }.into()]);
        let connected = then.then_status(Status::InProgress).and();
        // the other leg says it as well
        for line in [Line::transfer_target(), Line::inbound(AGENT)] {
            let again = line.takes(super::retold(line.report(CarrierFact::Bridged, 16)));
            connected.clone().when(again).then_types(["call.carrier_event_received"]);
        }
    }
}

#[test]
fn a_transferred_call_ends_as_transferred() {
    let connected = transferring().after([Line::transfer_target().bridged(15)]);
    let line = Line::inbound(AGENT);
    let by_caller = connected.clone().when(line.hung_up(40));
    let end = ended(&by_caller);
    assert_eq!((end.reason, end.ended_by), (EndReason::Transferred, EndedBy::Caller));
    let by_bridge = hang_up_report(HangUpCause::Normal, HangUpSource::Callee, "normal_clearing", None);
    let by_colleague = connected.clone().when(line.says(by_bridge, 40));
    let end = ended(&by_colleague);
    assert_eq!((end.reason, end.ended_by), (EndReason::Transferred, EndedBy::Unknown));
    // the colleague's own leg ends the call only through ours
    connected
        .when(Line::transfer_target().hung_up(40))
        .then_types(["call.carrier_event_received"])
        .then_status(Status::InProgress);
}

#[test]
fn a_transferred_call_can_still_be_ended_over_rest() {
    let connected = transferring().after([Line::transfer_target().bridged(15), hang_up(2, 20)]);
    assert_eq!(ended(&connected.when(Line::inbound(AGENT).hung_up(21))).reason, EndReason::ApiHangup);
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let then = transferring().when(Line::transfer_target().says(busy(), 15));
    assert_eq!(then.facts()[1..], [TransferFailed { provider_code: "user_busy".into(), at: at(15) }.into()]);
    let on = then.then_status(Status::InProgress).and();
    on.clone().when(say(2, "They are busy.", 16)).then_types(["call.speech_requested"]);
    on.clone().when(transfer(3, 16)).then_types(["call.transfer_requested"]);
    assert_eq!(ended(&on.when(Line::inbound(AGENT).hung_up(20))).reason, EndReason::CallerHangup);
}

#[test]
fn a_transfer_the_carrier_refuses_has_failed() {
    let types = ["call.command_failed", "call.transfer_failed"];
    let on = transferring().when(failed(id(1), "10016", false, 11)).then_types(types).and();
    on.clone().when(transfer(2, 12)).then_types(["call.transfer_requested"]);
    // its answer was lost five times, and it was carried out all the same
    let then = on.when(Line::transfer_target().bridged(15));
    assert_eq!(then.facts()[1..], [TransferConnected { at: at(15) }.into()]);
}

#[test]
fn a_transfer_that_connected_did_not_fail() {
    let connected = transferring().after([Line::transfer_target().bridged(15)]);
    let then = connected.when(failed(id(1), "answer_lost", false, 16)).then_types(["call.command_failed"]);
    assert_eq!(ended(&then.and().when(Line::inbound(AGENT).hung_up(20))).reason, EndReason::Transferred);
}

#[test]
fn a_colleagues_leg_that_ended_after_an_answer_was_connected() {
    // the end of the target overtook the bridge
    let target = Line::transfer_target();
    let then = transferring().when(target.hung_up(30));
    assert_eq!(then.facts()[1..], [TransferConnected { at: at(30) }.into()]);
    let then = then.and().when(target.bridged(15)).then_types(["call.carrier_event_received"]);
    assert_eq!(ended(&then.and().when(Line::inbound(AGENT).hung_up(31))).reason, EndReason::Transferred);
}

#[test]
fn a_bridge_told_after_the_end_shows_that_the_call_was_transferred() {
    let line = Line::inbound(AGENT);
    let unclear = hang_up_report(HangUpCause::Unspecified, HangUpSource::Unknown, "unspecified", None);
    for (hang_up, by) in [(line.hung_up(40), EndedBy::Caller), (line.says(unclear, 40), EndedBy::Unknown)] {
        for told in
            [line.bridged(15), Line::transfer_target().bridged(15), Line::transfer_target().hung_up(40)]
        {
            let then = transferring().after([hang_up.clone()]).when(told);
            let then = then.then_types([
                "call.carrier_event_received",
                "call.transfer_connected",
                "call.end_explained",
            ]);
            let end = then.state().ended.as_deref().cloned().unwrap();
            assert_eq!((end.reason, end.ended_by, end.at), (EndReason::Transferred, by, at(40)));
        }
    }
}

#[test]
fn a_bridge_told_after_another_end_explains_nothing() {
    let too_long = hang_up_report(HangUpCause::TimeLimit, HangUpSource::Unknown, "time_limit", None);
    let over = transferring().after([Line::inbound(AGENT).says(too_long, 40)]);
    let then = over.when(Line::transfer_target().bridged(15));
    let then = then.then_types(["call.carrier_event_received", "call.transfer_connected"]);
    assert_eq!(then.state().ended.as_deref().map(|end| end.reason), Some(EndReason::MaxDuration));
}

#[test]
fn a_caller_who_hangs_up_while_the_colleague_rings_was_not_transferred() {
    let then = transferring().when(Line::inbound(AGENT).hung_up(14));
    let end = ended(&then);
    assert_eq!((end.reason, end.ended_by), (EndReason::CallerHangup, EndedBy::Caller));
    let cancelled =
        hang_up_report(HangUpCause::Cancelled, HangUpSource::Caller, "originator_cancel", Some(487));
    then.and()
        .when(Line::transfer_target().says(cancelled, 14))
        .then_types(["call.carrier_event_received"])
        .then_status(Status::Ended);
}

#[test]
fn one_transfer_at_a_time() {
    transferring().when(transfer(2, 11)).then_refused(CallRefusal::TransferUnderWay);
    let connected = transferring().after([Line::transfer_target().bridged(15)]);
    connected.when(transfer(2, 16)).then_refused(CallRefusal::TransferUnderWay);
}

#[test]
fn the_target_leg_is_neither_a_call_of_its_own_nor_the_callers() {
    let target = Line::transfer_target();
    let on = transferring();
    for news in [target.initiated(11), target.answered(14), target.says(CarrierFact::Dtmf('5'.into()), 15)] {
        on.clone().when(news).then_types(["call.carrier_event_received"]).then_status(Status::InProgress);
    }
    let then = on.when(target.initiated(11));
    assert_eq!(then.state().control_id(), Some("v3:leg-in"));
}
