//! A call that began with a leg of unknown origin turns out to be another one.

use uuid::Uuid;

use super::{a_call, retold};
use crate::call::report::{CarrierFact, HangUpCause as Cause, HangUpSource as Source, LegRole};
use crate::call::terms::{Direction, EndReason, EndedBy, Fault, Status};
use crate::call::{CallCommand, CallEvent, CallRefusal, EndCorrected, Ended, Merged};
use crate::ids::CallId;
use crate::testing::calls::*;

const OURS: CallId = CallId(Uuid::from_u128(77));

fn strange(fact: CarrierFact, seconds: i64) -> CallCommand {
    let line = Line { leg: leg("leg-strange"), ..Line::dialled() };
    let mut report = line.report(fact, seconds);
    report.tag = None;
    line.takes(report)
}

fn rings() -> CallCommand {
    strange(CarrierFact::Initiated { direction: Direction::Outbound }, 1)
}

fn merge(seconds: i64) -> CallCommand {
    CallCommand::MergeInto { into: OURS, role: LegRole::Main, now: at(seconds) }
}

fn merged(seconds: i64) -> CallEvent {
    Merged { into: OURS, leg_role: LegRole::Main, at: at(seconds) }.into()
}

fn end(connected: bool, seconds: i64) -> Ended {
    Ended {
        reason: EndReason::Merged,
        ended_by: EndedBy::System,
        fault: Fault::None,
        connected,
        provider_code: None,
        sip_code: None,
        at: at(seconds),
    }
}

#[test]
fn a_merged_call_names_the_other_one_and_is_over_without_having_failed() {
    for (answered, connected) in [(vec![], false), (vec![strange(CarrierFact::Answered, 2)], true)] {
        let history = std::iter::once(rings()).chain(answered);
        let then = a_call().after(history).when(merge(3));
        assert_eq!(then.facts(), [merged(3), end(connected, 3).into()]);
        assert_eq!(then.state().merged_into(), Some(OURS));
        then.then_status(Status::Ended);
    }
}

#[test]
fn an_end_that_was_told_already_is_replaced() {
    let over = hang_up_report(Cause::Normal, Source::Callee, "normal_clearing", Some(200));
    let then = a_call().after([rings(), strange(over, 2)]).when(merge(3));
    assert_eq!(then.facts(), [merged(3), EndCorrected(end(true, 3)).into()]);
}

#[test]
fn a_merger_happens_once() {
    a_call().after([rings(), merge(3)]).when(merge(4)).then_nothing();
}

#[test]
fn a_merged_call_says_where_new_webhooks_belong_and_bears_those_it_knows() {
    let call = a_call().after([rings(), merge(3)]);
    call.clone().when(rings()).then_nothing();
    let refusal = CallRefusal::Merged { into: OURS, role: LegRole::Main };
    call.when(strange(CarrierFact::Answered, 2)).then_refused(refusal);
}

#[test]
fn a_call_of_ours_is_never_merged() {
    let line = Line::inbound(AGENT);
    a_call().after([line.initiated(1)]).when(merge(3)).then_refused(CallRefusal::NotForeign);
    a_call()
        .after([CallCommand::Queue(Box::new(queue()))])
        .when(merge(3))
        .then_refused(CallRefusal::NotForeign);
    // one that began unknown and was then offered to us
    let offered = [line.says(CarrierFact::Answered, 2), line.initiated(1)];
    a_call().after(offered).when(merge(3)).then_refused(CallRefusal::NotForeign);
    let again = retold(line.report(CarrierFact::Answered, 5));
    a_call().after([line.initiated(1)]).when(line.takes(again)).then_status(Status::InProgress);
}
