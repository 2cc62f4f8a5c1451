//! Calls that a hosted voice runtime talks on.

use proptest::prelude::*;
use uuid::Uuid;

use super::{Run, a_call, ended, outgoing};
use crate::agent::AgentRuntime;
use crate::call::report::{
    CarrierFact, HangUp, HangUpCause as Cause, HangUpSource as Source, HostedCall, RuntimeBill,
};
use crate::call::terms::{EndReason, EndedBy, Fault, Status};
use crate::call::{Call, CallCommand, CallEvent, CallRefusal, Outgoing, Queue};
use crate::ids::AgentId;
use crate::testing::calls::*;
use crate::testing::scenario::Scenario;

fn order() -> Queue {
    Queue { runtime: AgentRuntime::Ultravox, agent_id: Some(AgentId(Uuid::from_u128(5))), ..queue() }
}

fn dialling() -> [CallCommand; 3] {
    [CallCommand::Queue(Box::new(order())), start_dial(1), accept_dial(2)]
}

fn dialled() -> Scenario<Call> {
    a_call().after(dialling())
}

fn by(cause: Cause, word: &str) -> HangUp {
    HangUp { cause, source: Source::Callee, provider_code: word.to_owned(), sip_code: None }
}

fn bill(ms: u64, status: &str) -> RuntimeBill {
    RuntimeBill { duration_ms: ms, sip_ms: None, status: status.to_owned() }
}

/// What the runtime shows after each step of a call that was answered.
fn life() -> [HostedCall; 4] {
    let started = HostedCall { outbound: true, ..HostedCall::default() };
    let joined = HostedCall { joined_at: Some(at(5)), ..started.clone() };
    let over = HostedCall { ended: Some((at(50), by(Cause::AgentHungUp, "agent_hangup"))), ..joined.clone() };
    let billed = HostedCall { billed: Some(bill(48_000, "BILLING_STATUS_BILLED")), ..over.clone() };
    [started, joined, over, billed]
}

fn shows(known: HostedCall, seconds: i64) -> CallCommand {
    Line::dialled().says(CarrierFact::Hosted(Box::new(known)), seconds)
}

#[test]
fn a_hosted_call_needs_its_agent_and_is_not_recorded() {
    for (wrong, field) in
        [(Queue { agent_id: None, ..order() }, "agent_id"), (Queue { record: true, ..order() }, "record")]
    {
        let then = a_call().when(CallCommand::Queue(Box::new(wrong)));
        let Err(CallRefusal::Invalid(faults)) = then.decision() else { panic!("{field}") };
        assert!(faults.contains_key(field), "{faults:?}");
    }
}

#[test]
fn the_dial_names_the_runtime_and_the_agent_and_the_runtime_holds_the_conversation() {
    let queued = a_call().after([CallCommand::Queue(Box::new(order()))]);
    let Some(Outgoing::Dial(dial)) = outgoing(queued.state(), DIAL) else { panic!() };
    assert_eq!((dial.runtime, dial.agent), (AgentRuntime::Ultravox, order().agent_id));
    let talking = dialled().after([shows(life()[1].clone(), 6)]);
    assert_eq!((talking.state().status(), talking.state().conversation()), (Status::InProgress, None));
}

#[test]
fn the_end_alone_shows_that_the_call_was_answered() {
    let [.., over, _] = life();
    let then = dialled().when(shows(over, 51));
    let end = ended(&then);
    assert_eq!(
        (end.reason, end.ended_by, end.fault, end.connected),
        (EndReason::AgentHangup, EndedBy::Agent, Fault::None, true)
    );
    assert_eq!(then.state().answered_at(), Some(at(5)));
}

#[test]
fn what_was_said_is_read_once_the_call_is_over_and_only_if_somebody_was_there() {
    let [_, joined, over, billed] = life();
    let then = dialled().after([shows(joined, 6)]).when(shows(over, 51));
    let types = ["call.carrier_event_received", "call.ended", "call.transcript_requested"];
    let then = then.then_types(types).and().when(shows(billed, 60));
    then.then_types(["call.carrier_event_received", "call.runtime_billed"]);
    let unjoined = HostedCall { ended: Some((at(40), by(Cause::NoAnswer, "unjoined"))), ..life()[0].clone() };
    dialled().when(shows(unjoined, 41)).then_types(["call.carrier_event_received", "call.ended"]);
}

#[test]
fn what_was_said_is_read_again_once_the_runtime_says_that_it_is_complete() {
    let [.., over, billed] = life();
    let complete = HostedCall { messages_final: true, ..over.clone() };
    let early = |then: &Scenario<Call>, known: &HostedCall| {
        let then = then.clone().when(shows(known.clone(), 70));
        then.facts().iter().find_map(|fact| match fact {
            CallEvent::TranscriptRequested(request) => Some(request.early),
            _ => None,
        })
    };
    let seen = dialled().after([shows(over.clone(), 51)]);
    assert_eq!((early(&dialled(), &over), early(&seen, &billed)), (Some(true), None));
    assert_eq!(early(&seen, &complete), Some(false));
    assert_eq!(early(&dialled().after([shows(complete.clone(), 51)]), &billed), None);
    assert_eq!(early(&dialled(), &complete), Some(false));
}

#[test]
fn ends_are_told_in_our_own_words() {
    let reason = |hang_up: HangUp| {
        let known = HostedCall { ended: Some((at(50), hang_up)), ..life()[1].clone() };
        let end = ended(&dialled().when(shows(known, 51)));
        (end.reason, end.fault)
    };
    assert_eq!(reason(by(Cause::Normal, "hangup")), (EndReason::CallerHangup, Fault::None));
    assert_eq!(reason(by(Cause::TimeLimit, "timeout")), (EndReason::MaxDuration, Fault::None));
    for word in ["connection_error", "system_error"] {
        assert_eq!(reason(by(Cause::Broken, word)), (EndReason::ProviderError, Fault::Provider));
    }
}

#[test]
fn a_call_we_asked_to_end_ended_because_we_asked_whatever_the_runtime_calls_it() {
    let asked = hang_up(70, 7);
    let [_, joined, over, _] = life();
    let then = dialled().after([shows(joined, 6), asked.clone()]).when(shows(over, 51));
    assert_eq!(ended(&then).reason, EndReason::ApiHangup);
    // still ringing: it can only be refused there until somebody joins, or nobody did
    let unjoined =
        HostedCall { ended: Some((at(40), by(Cause::NoAnswer, "unjoined"))), ..HostedCall::default() };
    let then = dialled().after([asked]).when(shows(unjoined, 41));
    assert_eq!((ended(&then).reason, then.state().status()), (EndReason::Cancelled, Status::Failed));
}

#[test]
fn a_refund_is_not_taken_back_by_an_older_bill() {
    let with = |bill| HostedCall { billed: Some(bill), ..life()[2].clone() };
    let refunded = with(bill(0, "BILLING_STATUS_REFUNDED"));
    let call = dialled().after([shows(refunded, 60), shows(life()[3].clone(), 61)]);
    assert_eq!(call.state().runtime_bill().map(|bill| bill.duration_ms), Some(0));
}

proptest! {
    #[test]
    fn snapshots_in_any_order_and_number_lead_to_the_same_call(picks in prop::collection::vec(0..4_usize, 0..12)) {
        let mut run = Run::of(&dialling());
        for (n, pick) in picks.iter().copied().chain([3]).enumerate() {
            run.take(&shows(life()[pick].clone(), 60 + n as i64));
        }
        let call = &run.call;
        prop_assert_eq!(call.status(), Status::Ended);
        prop_assert_eq!(call.answered_at(), Some(at(5)));
        let end = call.ended.as_deref().map(|end| (end.reason, end.at));
        prop_assert_eq!(end, Some((EndReason::AgentHangup, at(50))));
        prop_assert_eq!(call.runtime_bill(), Some(&bill(48_000, "BILLING_STATUS_BILLED")));
        run.is_sound()?;
    }
}
