//! What a carrier's hang-up means: the whole table, line by line.

use super::{a_call, ended};
use crate::call::report::{HangUpCause as Cause, HangUpSource as Source};
use crate::call::terms::{EndReason as R, EndedBy as B, Fault as F, Status};
use crate::call::{CallCommand, fault_of};
use crate::number::Route;
use crate::testing::calls::*;
use crate::testing::scenario::Scenario;

struct Case {
    cause: Cause,
    source: Source,
    sip: Option<u16>,
    reason: R,
    by: B,
    fault: F,
    status: Status,
}

const fn case(cause: Cause, source: Source, sip: u16, reason: R, by: B, fault: F, status: Status) -> Case {
    let sip = if sip == 0 { None } else { Some(sip) };
    Case { cause, source, sip, reason, by, fault, status }
}

fn prove(call: &Scenario<crate::call::Call>, line: &Line, cases: &[Case]) {
    for Case { cause, source, sip, reason, by, fault, status } in cases {
        let told = hang_up_report(*cause, *source, "its_word", *sip);
        let then = call.clone().when(line.says(told, 30));
        let end = ended(&then);
        let seen = (end.reason, end.ended_by, end.fault, then.state().status());
        assert_eq!(seen, (*reason, *by, *fault, *status), "{cause:?} by {source:?} with {sip:?}");
        assert_eq!((end.provider_code.as_deref(), end.sip_code, end.at), (Some("its_word"), *sip, at(30)));
    }
}

#[test]
fn an_inbound_conversation_ends() {
    use {Cause as C, Source as S, Status as T};
    let call = a_call().after(talking_inbound(AGENT));
    prove(
        &call,
        &Line::inbound(AGENT),
        &[
            case(C::Normal, S::Caller, 200, R::CallerHangup, B::Caller, F::None, T::Ended),
            // the called side is us, yet we asked for nothing: it is not known who ended it
            case(C::Normal, S::Callee, 200, R::Unknown, B::Unknown, F::None, T::Ended),
            case(C::Normal, S::Unknown, 0, R::Unknown, B::Unknown, F::None, T::Ended),
            case(C::TimeLimit, S::Unknown, 0, R::MaxDuration, B::System, F::None, T::Ended),
            case(C::Unspecified, S::Unknown, 0, R::Unknown, B::Unknown, F::None, T::Ended),
            case(C::Unspecified, S::Unknown, 503, R::ProviderError, B::Provider, F::Provider, T::Failed),
        ],
    );
}

#[test]
fn an_inbound_call_ends_before_it_is_answered() {
    use {Cause as C, Source as S, Status as T};
    let line = Line::inbound(AGENT);
    let call = a_call().after([line.initiated(1)]);
    prove(
        &call,
        &line,
        &[
            case(C::Cancelled, S::Caller, 487, R::Cancelled, B::Caller, F::None, T::Failed),
            case(C::Unspecified, S::Unknown, 487, R::Cancelled, B::Caller, F::None, T::Failed),
            case(C::Normal, S::Caller, 487, R::Cancelled, B::Caller, F::None, T::Failed),
            // the called side is ours
            case(C::Busy, S::Callee, 486, R::Busy, B::System, F::None, T::Failed),
            case(C::Rejected, S::Callee, 603, R::Rejected, B::System, F::None, T::Failed),
            case(C::NoAnswer, S::Unknown, 408, R::NoAnswer, B::System, F::None, T::Failed),
            case(C::Rejected, S::Callee, 503, R::ProviderError, B::Provider, F::Provider, T::Failed),
            case(C::NotFound, S::Callee, 404, R::InvalidNumber, B::Provider, F::CallerConfig, T::Failed),
            // it says itself that there was a conversation: the answer is still on its way
            case(C::Normal, S::Caller, 200, R::CallerHangup, B::Caller, F::None, T::Ended),
            case(C::TimeLimit, S::Unknown, 0, R::MaxDuration, B::System, F::None, T::Ended),
        ],
    );
}

#[test]
fn an_outbound_conversation_ends() {
    use {Cause as C, Source as S, Status as T};
    let call = a_call().after(talking_outbound());
    prove(
        &call,
        &Line::dialled(),
        &[
            case(C::Normal, S::Callee, 200, R::CallerHangup, B::Caller, F::None, T::Ended),
            case(C::Normal, S::Caller, 200, R::Unknown, B::Unknown, F::None, T::Ended),
            case(C::TimeLimit, S::Unknown, 0, R::MaxDuration, B::System, F::None, T::Ended),
            case(C::Unspecified, S::Unknown, 0, R::Unknown, B::Unknown, F::None, T::Ended),
        ],
    );
}

#[test]
fn an_outbound_call_ends_before_it_is_answered() {
    use {Cause as C, Source as S, Status as T};
    let line = Line::dialled();
    let call = a_call().after([queued(), start_dial(1), accept_dial(2), line.initiated(3)]);
    prove(
        &call,
        &line,
        &[
            case(C::Busy, S::Callee, 486, R::Busy, B::Caller, F::None, T::Failed),
            case(C::NoAnswer, S::Unknown, 408, R::NoAnswer, B::System, F::None, T::Failed),
            case(C::Rejected, S::Callee, 603, R::Rejected, B::Caller, F::None, T::Failed),
            case(C::Rejected, S::Callee, 0, R::Rejected, B::Caller, F::None, T::Failed),
            case(C::Rejected, S::Callee, 403, R::Rejected, B::Provider, F::None, T::Failed),
            case(C::Rejected, S::Callee, 503, R::ProviderError, B::Provider, F::Provider, T::Failed),
            case(C::NotFound, S::Callee, 404, R::InvalidNumber, B::Provider, F::CallerConfig, T::Failed),
            case(C::Cancelled, S::Caller, 487, R::Cancelled, B::Unknown, F::None, T::Failed),
            case(C::Normal, S::Callee, 200, R::CallerHangup, B::Caller, F::None, T::Ended),
            // where the carrier's cause says nothing, the SIP status does
            case(C::Unspecified, S::Unknown, 404, R::InvalidNumber, B::Provider, F::CallerConfig, T::Failed),
            case(C::Unspecified, S::Unknown, 484, R::InvalidNumber, B::Provider, F::CallerConfig, T::Failed),
            case(C::Unspecified, S::Unknown, 480, R::NoAnswer, B::System, F::None, T::Failed),
            case(C::Unspecified, S::Unknown, 486, R::Busy, B::Caller, F::None, T::Failed),
            case(C::Unspecified, S::Unknown, 500, R::ProviderError, B::Provider, F::Provider, T::Failed),
            // 6xx is the called person's answer, not a failure of the carrier
            case(C::Unspecified, S::Unknown, 600, R::Busy, B::Caller, F::None, T::Failed),
            case(C::Unspecified, S::Unknown, 603, R::Rejected, B::Caller, F::None, T::Failed),
            case(C::Unspecified, S::Unknown, 699, R::Unknown, B::Unknown, F::None, T::Failed),
        ],
    );
}

#[test]
fn a_call_we_ended_ended_because_we_asked() {
    use {Cause as C, Source as S, Status as T};
    let talking = |commands: Vec<CallCommand>| a_call().after(commands).after([hang_up(1, 20)]);
    let (inbound, outbound) = (Line::inbound(AGENT), Line::dialled());
    let ours = [
        case(C::Normal, S::Caller, 200, R::ApiHangup, B::Operator, F::None, T::Ended),
        case(C::Normal, S::Callee, 200, R::ApiHangup, B::Operator, F::None, T::Ended),
        case(C::Normal, S::Unknown, 0, R::ApiHangup, B::Operator, F::None, T::Ended),
        case(C::Unspecified, S::Unknown, 503, R::ApiHangup, B::Operator, F::None, T::Ended),
    ];
    prove(&talking(talking_inbound(AGENT)), &inbound, &ours);
    prove(&talking(talking_outbound()), &outbound, &ours);
    let before_the_answer = [
        case(C::Cancelled, S::Caller, 487, R::Cancelled, B::Operator, F::None, T::Failed),
        case(C::Normal, S::Caller, 487, R::Cancelled, B::Operator, F::None, T::Failed),
    ];
    let ringing = vec![queued(), start_dial(1), accept_dial(2), outbound.initiated(3)];
    prove(&talking(ringing.clone()), &outbound, &before_the_answer);
    prove(&talking(vec![inbound.initiated(1)]), &inbound, &before_the_answer);
    // an inbound leg we end before the answer may be called refused
    let refused = [case(C::Rejected, S::Callee, 603, R::Cancelled, B::Operator, F::None, T::Failed)];
    prove(&talking(vec![inbound.initiated(1)]), &inbound, &refused);
    // the called person was faster than our hang-up
    let faster = [
        case(C::Busy, S::Callee, 486, R::Busy, B::Caller, F::None, T::Failed),
        case(C::Rejected, S::Callee, 603, R::Rejected, B::Caller, F::None, T::Failed),
        case(C::NoAnswer, S::Unknown, 408, R::NoAnswer, B::System, F::None, T::Failed),
    ];
    prove(&talking(ringing), &outbound, &faster);
}

#[test]
fn whoever_asks_for_the_end_names_the_reason() {
    for (reason, by, fault) in [
        (R::AgentHangup, B::Agent, F::None),
        (R::IvrCompleted, B::System, F::None),
        (R::IvrNoInput, B::System, F::None),
        (R::IvrTooManyInvalid, B::System, F::None),
        (R::SilenceTimeout, B::System, F::None),
        (R::Voicemail, B::System, F::None),
        (R::InsufficientCredits, B::System, F::CallerConfig),
        (R::MediaLost, B::System, F::Platform),
    ] {
        let asked = CallCommand::HangUp { id: id(1), reason, by, now: at(20) };
        let then = a_call().after(talking_outbound()).after([asked]).when(Line::dialled().hung_up(30));
        let end = ended(&then);
        assert_eq!((end.reason, end.ended_by, end.fault), (reason, by, fault));
        let broken = fault == F::Platform;
        then.then_status(if broken { Status::Failed } else { Status::Ended });
    }
}

#[test]
fn a_call_we_refused_was_rejected_whatever_the_carrier_calls_it() {
    use {Cause as C, Source as S, Status as T};
    for line in [Line::inbound(Route::Reject), Line::inbound_to_nobody()] {
        let call = a_call().after([line.initiated(1)]);
        prove(
            &call,
            &line,
            &[
                case(C::Rejected, S::Callee, 603, R::Rejected, B::System, F::None, T::Failed),
                case(C::Busy, S::Callee, 486, R::Rejected, B::System, F::None, T::Failed),
                case(C::Normal, S::Unknown, 0, R::Rejected, B::System, F::None, T::Failed),
                case(C::Unspecified, S::Unknown, 0, R::Rejected, B::System, F::None, T::Failed),
                case(C::Cancelled, S::Caller, 487, R::Cancelled, B::Caller, F::None, T::Failed),
            ],
        );
    }
}

#[test]
fn a_leg_that_vanished_ends_the_call_once() {
    let vanished = |seconds| CallCommand::LegLost { now: at(seconds) };
    let table: [(Vec<CallCommand>, R, B, Status); 5] = [
        (talking_outbound(), R::Unknown, B::Unknown, Status::Ended),
        ([talking_outbound(), vec![hang_up(1, 20)]].concat(), R::ApiHangup, B::Operator, Status::Ended),
        (vec![Line::inbound(AGENT).initiated(1), hang_up(1, 2)], R::Cancelled, B::Operator, Status::Failed),
        (vec![Line::inbound_to_nobody().initiated(1)], R::Rejected, B::System, Status::Failed),
        (
            [talking_inbound(AGENT), vec![transfer(1, 10)], vec![Line::transfer_target().bridged(15)]]
                .concat(),
            R::Transferred,
            B::Unknown,
            Status::Ended,
        ),
    ];
    for (history, reason, by, status) in table {
        let then = a_call().after(history).when(vanished(60));
        let end = ended(&then);
        assert_eq!((end.reason, end.ended_by, end.provider_code.as_deref()), (reason, by, None));
        then.then_status(status).and().when(vanished(61)).then_nothing();
    }
    a_call().after([queued(), start_dial(1)]).when(vanished(5)).then_nothing();
}

#[test]
fn what_the_carrier_tells_late_of_a_leg_that_vanished_explains_its_end_once() {
    let vanished = CallCommand::LegLost { now: at(60) };
    let line = Line::inbound(AGENT);
    let told = |cause| hang_up_report(cause, Source::Caller, "its_word", None);
    let then = a_call().after([line.initiated(1)]).when(vanished.clone());
    let then = then.then_status(Status::Failed).and().when(line.says(told(Cause::Cancelled), 5));
    let then = then.then_types(["call.carrier_event_received", "call.end_explained"]);
    let end = then.state().ended.clone().unwrap();
    assert_eq!((end.reason, end.ended_by, end.at), (R::Cancelled, B::Caller, at(5)));
    // the carrier's end stands
    let again = then.then_status(Status::Failed).and().when(line.says(told(Cause::Normal), 6));
    again.then_types(["call.carrier_event_received"]);
    // as does what we had asked for
    let asked = a_call().after([line.initiated(1), hang_up(1, 2)]).when(vanished);
    asked.and().when(line.says(told(Cause::Cancelled), 5)).then_types(["call.carrier_event_received"]);
}

#[test]
fn a_fault_belongs_to_the_client_the_carrier_or_us() {
    for &reason in R::ALL {
        let fault = match reason {
            R::InvalidNumber | R::InsufficientCredits | R::ConcurrencyLimit => F::CallerConfig,
            R::ProviderError | R::DialTimeout => F::Provider,
            R::MediaLost | R::PlatformError => F::Platform,
            R::CallerHangup | R::AgentHangup | R::ApiHangup | R::IvrCompleted | R::Transferred | R::Busy => {
                F::None
            }
            R::NoAnswer | R::Rejected | R::Cancelled | R::Voicemail | R::MaxDuration => F::None,
            R::SilenceTimeout | R::IvrNoInput | R::IvrTooManyInvalid | R::Merged | R::Unknown => F::None,
        };
        assert_eq!(fault_of(reason), fault, "{reason}");
    }
}
