//! A call that a client asks for: from the queue to the carrier, also when the carrier's answer is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{a_call, ended, outgoing, retold};
use crate::call::report::{CarrierFact, HangUpCause, HangUpSource};
use crate::call::terms::{AnsweredBy, Direction, EndReason, EndedBy, Fault, Status};
use crate::call::{
    CallCommand, CallRefusal, DialAccepted, DialPostponed, DialStarted, DialUnknown, LegIdentified, Outgoing,
    Queue, Queued, Ringing,
};
use crate::phone::Party;
use crate::testing::calls::*;
use crate::testing::scenario::Scenario;

fn queue_with(change: impl FnOnce(&mut Queue)) -> CallCommand {
    let mut wish = queue();
    change(&mut wish);
    CallCommand::Queue(Box::new(wish))
}

fn sent() -> Scenario<crate::call::Call> {
    a_call().after([queued(), start_dial(1)])
}

fn lost() -> Scenario<crate::call::Call> {
    sent().after([lose_dial(6)])
}

fn postpone_dial(seconds: i64) -> CallCommand {
    CallCommand::PostponeDial { effect_id: DIAL, now: at(seconds) }
}

#[test]
fn a_wish_is_queued_as_it_was_asked() {
    let wish = queue();
    let fact = Queued {
        command_id: DIAL,
        to: wish.to.into(),
        from: wish.from.map(Into::into),
        agent_id: None,
        menu_id: None,
        metadata: wish.metadata.into(),
        customer_id: None,
        max_duration_ms: 3_600_000,
        ring_timeout_ms: 30_000,
        record: false,
        runtime: crate::agent::AgentRuntime::Carrier,
        at: at(0),
    };
    a_call().when(queued()).then([fact.into()]).then_status(Status::Queued);
}

#[test]
fn the_same_wish_again_is_no_news_and_another_one_is_refused() {
    let call = a_call().after([queued()]);
    call.clone().when(queued()).then_nothing();
    call.when(queue_with(|wish| wish.id = id(9))).then_refused(CallRefusal::Exists);
    let inbound = a_call().after([Line::inbound(AGENT).initiated(1)]);
    inbound.when(queued()).then_refused(CallRefusal::Exists);
}

#[test]
fn a_wish_with_invalid_fields_names_each_of_them() {
    type Change = fn(&mut Queue);
    let table: [(&str, Change); 8] = [
        ("to", |wish| wish.to = Party::new("anonymous")),
        ("from", |wish| wish.from = Some(Party::new("12025550188"))),
        ("max_duration_ms", |wish| wish.max_duration_ms = 59_999),
        ("max_duration_ms", |wish| wish.max_duration_ms = 14_400_001),
        ("ring_timeout_ms", |wish| wish.ring_timeout_ms = 4_999),
        ("ring_timeout_ms", |wish| wish.ring_timeout_ms = 600_001),
        ("metadata", |wish| wish.metadata = (0..51).map(|n| (n.to_string(), n.into())).collect()),
        ("metadata", |wish| wish.metadata = [("k".into(), "x".repeat(16 * 1024).into())].into()),
    ];
    for (field, change) in table {
        let then = a_call().when(queue_with(change));
        let Err(CallRefusal::Invalid(fields)) = then.decision() else { panic!("{field} is accepted") };
        assert_eq!(fields.keys().copied().collect::<Vec<_>>(), [field]);
    }
    let both = queue_with(|wish| {
        wish.to = Party::new("");
        wish.ring_timeout_ms = 0;
    });
    let then = a_call().when(both);
    let Err(CallRefusal::Invalid(fields)) = then.decision() else { panic!() };
    assert_eq!(fields.keys().copied().collect::<Vec<_>>(), ["ring_timeout_ms", "to"]);
}

#[test]
fn the_carrier_is_dialled_only_after_the_log_says_so() {
    let call = a_call().after([queued()]);
    let ring_until = at(1) + Duration::from_secs(40);
    let then = call.when(start_dial(1)).then([DialStarted { effect_id: DIAL, at: at(1), ring_until }.into()]);
    let Some(Outgoing::Dial(dial)) = outgoing(then.state(), DIAL) else { panic!("nothing to dial") };
    assert_eq!((dial.command_id, dial.tag.call, dial.tag.client), (DIAL, CALL, CLIENT));
    assert_eq!(dial.to.reveal(), Some(&Party::new(THEIR_NUMBER)));
    assert_eq!(dial.ring_timeout, Duration::from_secs(30));
    assert_eq!(dial.max_duration, Duration::from_secs(3600));
    then.then_status(Status::Dialing);
}

#[test]
fn a_dial_started_before_the_node_died_is_lost_not_repeated() {
    let unknown = DialUnknown { effect_id: DIAL, at: at(60) }.into();
    let then = sent().when(start_dial(60)).then([unknown]).then_status(Status::DialUnknown);
    assert!(outgoing(then.state(), DIAL).is_none(), "nothing may be dialled any more");
    assert_eq!(then.state().lost_dial(), Some(DIAL));
    then.and().when(start_dial(61)).then_refused(CallRefusal::Settled);
}

#[test]
fn a_lost_answer_leaves_the_dial_unknown() {
    let then = sent().when(lose_dial(6)).then([DialUnknown { effect_id: DIAL, at: at(6) }.into()]);
    assert_eq!(then.state().dial_deadline(), Some(at(1 + 30 + 30)));
    assert!(outgoing(then.state(), DIAL).is_none());
    then.then_status(Status::DialUnknown);
}

#[test]
fn an_unknown_dial_is_never_dialled_again() {
    for command in [start_dial(7), postpone_dial(7), lose_dial(7)] {
        lost().when(command).then_refused(CallRefusal::Settled);
    }
}

#[test]
fn only_the_dial_itself_is_dialled_postponed_or_lost() {
    // a hang-up waits for the leg: pending like the dial, and no dial
    let call = sent().after([hang_up(1, 2)]);
    let (effect_id, now) = (id(1), at(3));
    for command in [
        CallCommand::StartDial { effect_id, now },
        CallCommand::PostponeDial { effect_id, now },
        CallCommand::LoseDial { effect_id, now },
        CallCommand::AcceptDial { effect_id, provider: PROVIDER.to_owned(), leg: Line::dialled().leg, now },
        CallCommand::FailDial {
            effect_id,
            reason: EndReason::DialTimeout,
            fault: Fault::Provider,
            code: "dial_lost".to_owned(),
            now,
        },
    ] {
        call.clone().when(command).then_refused(CallRefusal::Settled);
    }
}

#[test]
fn an_unknown_dial_that_shows_up_goes_on() {
    let line = Line::dialled();
    let found =
        DialAccepted { effect_id: DIAL, provider: PROVIDER.to_owned(), leg: line.leg.clone(), at: at(8) };
    lost().when(accept_dial(8)).then([found.into()]).then_status(Status::Dialing);
    // a webhook of the leg finds it as well
    let types = ["call.carrier_event_received", "call.dial_accepted", "call.ringing"];
    lost().when(line.initiated(3)).then_types(types).then_status(Status::Ringing);
    let types = ["call.carrier_event_received", "call.dial_accepted", "call.answered"];
    lost().when(line.answered(9)).then_types(types).then_status(Status::InProgress);
    let types = ["call.carrier_event_received", "call.dial_accepted", "call.ended"];
    lost().when(line.hung_up(9)).then_types(types).then_status(Status::Ended);
}

#[test]
fn an_unknown_dial_that_never_shows_up_fails() {
    let then = lost().when(fail_dial(EndReason::DialTimeout, Fault::Provider, 70));
    let end = ended(&then);
    assert_eq!(
        (end.reason, end.ended_by, end.fault),
        (EndReason::DialTimeout, EndedBy::Provider, Fault::Provider)
    );
    then.then_status(Status::Failed);
}

#[test]
fn a_dial_that_did_not_reach_the_carrier_is_dialled_later() {
    let then = sent().when(postpone_dial(2)).then([DialPostponed { effect_id: DIAL, at: at(2) }.into()]);
    then.then_status(Status::Queued).and().when(start_dial(5)).then_types(["call.dial_started"]);
}

#[test]
fn the_webhook_may_be_faster_than_the_answer_to_the_dial() {
    let types = ["call.carrier_event_received", "call.dial_accepted", "call.ringing"];
    let ringing = sent().when(Line::dialled().initiated(3)).then_types(types);
    ringing.then_status(Status::Ringing).and().when(accept_dial(4)).then_refused(CallRefusal::Settled);
}

#[test]
fn a_dialled_call_rings_once_and_is_answered_once() {
    let line = Line::dialled();
    let dialled = sent().after([accept_dial(2)]);
    let initiated = line.report(CarrierFact::Initiated { direction: Direction::Outbound }, 3);
    let then = dialled.when(line.takes(initiated.clone()));
    assert_eq!(then.facts()[1..], [Ringing { at: at(3) }.into()]);
    let rings = then.and();
    rings.clone().when(line.takes(retold(initiated))).then_types(["call.carrier_event_received"]);
    let answered = rings.when(line.answered(9));
    answered.then_types(["call.carrier_event_received", "call.answered"]).then_status(Status::InProgress);
}

#[test]
fn a_call_known_late_to_have_rung_does_not_ring_again() {
    let line = Line::dialled();
    let talking = sent().after([accept_dial(2), line.answered(9)]);
    for (call, status) in
        [(talking.clone(), Status::InProgress), (talking.after([line.hung_up(20)]), Status::Ended)]
    {
        let then = call.when(line.initiated(3));
        assert_eq!(then.facts()[1..], [Ringing { at: at(3) }.into()]);
        then.then_status(status);
    }
}

#[test]
fn whoever_we_call_is_neither_answered_nor_greeted() {
    let facts = a_call().after(talking_outbound());
    assert_eq!(facts.state().status(), Status::InProgress);
    let line = Line::dialled();
    let again = line.takes(retold(line.report(CarrierFact::Initiated { direction: Direction::Outbound }, 3)));
    facts.when(again).then_types(["call.carrier_event_received"]);
}

#[test]
fn a_refused_dial_says_who_refused_it() {
    use {EndReason as R, EndedBy as B, Fault as F};
    for (reason, fault, by) in [
        (R::InvalidNumber, F::CallerConfig, B::Provider),
        (R::ConcurrencyLimit, F::CallerConfig, B::Provider),
        (R::ProviderError, F::Provider, B::Provider),
        (R::ProviderError, F::CallerConfig, B::System),
        (R::PlatformError, F::Platform, B::System),
    ] {
        let then = sent().when(fail_dial(reason, fault, 2));
        let end = ended(&then);
        assert_eq!((end.reason, end.fault, end.ended_by, end.connected), (reason, fault, by, false));
        assert_eq!(end.provider_code.as_deref(), Some("10015"));
        then.then_status(Status::Failed);
    }
}

#[test]
fn a_call_without_a_caller_id_learns_the_one_it_was_placed_with() {
    let line = Line::dialled();
    let call = a_call().after([queue_with(|wish| wish.from = None), start_dial(1), accept_dial(2)]);
    let then = call.when(line.initiated(3));
    let identified = LegIdentified {
        foreign: false,
        leg: line.leg.clone(),
        direction: Direction::Outbound,
        from: Some(Party::new(OUR_NUMBER).into()),
        to: Some(Party::new(THEIR_NUMBER).into()),
        number_id: None,
        route: None,
        appeared_at: None,
        at: at(3),
    };
    assert_eq!(then.facts()[1..], [identified.into(), Ringing { at: at(3) }.into()]);
}

#[test]
fn a_machine_is_told_from_a_person_and_a_doubt_takes_nothing_back() {
    use AnsweredBy::{Fax, Human, Machine, NotSure};
    for (heard, known) in [
        (vec![Human], Human),
        (vec![NotSure, Human], Human),
        (vec![Human, NotSure], Human),
        (vec![Machine, NotSure], Machine),
        (vec![Human, Machine], Machine),
        (vec![Machine, Human], Machine),
        (vec![Fax, Machine], Fax),
    ] {
        let line = Line::dialled();
        let told = heard.iter().zip(10..).map(|(&by, second)| line.says(CarrierFact::AnsweredBy(by), second));
        let call = a_call().after(talking_outbound()).after(told);
        assert_eq!(call.state().answered_by, Some(known), "{heard:?}");
        assert_eq!(call.state().status(), Status::InProgress, "a machine does not end the call by itself");
    }
}

#[test]
fn a_leg_that_shows_up_after_its_dial_was_given_up_is_only_recorded() {
    let given_up = lost().after([fail_dial(EndReason::DialTimeout, Fault::Provider, 70)]);
    let line = Line::dialled();
    let types = ["call.carrier_event_received", "call.ringing"];
    let late = given_up.when(line.initiated(71)).then_types(types).then_status(Status::Failed);
    let late = late.and().when(line.answered(72));
    late.then_types(["call.carrier_event_received", "call.answered"]).then_status(Status::Failed);
}

#[test]
fn a_leg_we_dialled_goes_out_whatever_the_carrier_calls_it() {
    let line = Line::dialled();
    let misnamed = line.says(CarrierFact::Initiated { direction: Direction::Inbound }, 3);
    let call = sent().after([accept_dial(2)]);
    call.when(misnamed).then_types(["call.carrier_event_received", "call.ringing"]);
}

#[test]
fn the_carriers_verdict_before_the_answer_ends_the_call() {
    let line = Line::dialled();
    let busy = hang_up_report(HangUpCause::Busy, HangUpSource::Callee, "user_busy", Some(486));
    let then = sent().when(line.says(busy, 5));
    assert_eq!(ended(&then).reason, EndReason::Busy);
    then.then_status(Status::Failed);
}

#[test]
fn nothing_is_asked_of_a_call_that_does_not_exist() {
    let all = [
        hang_up(1, 1),
        say(1, "hello", 1),
        transfer(1, 1),
        send_dtmf(1, "1", 1),
        CallCommand::SetMetadata { id: id(1), metadata: BTreeMap::new(), now: at(1) },
        start_dial(1),
        postpone_dial(1),
        lose_dial(1),
        accept_dial(1),
        fail_dial(EndReason::DialTimeout, Fault::Provider, 1),
        accepted(DIAL, 1),
        timer_fired(crate::call::Timer::Ring, 1),
        CallCommand::LegLost { now: at(1) },
    ];
    for command in all {
        a_call().when(command).then_refused(CallRefusal::Unknown);
    }
}
