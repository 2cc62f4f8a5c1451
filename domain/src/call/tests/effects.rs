//! Commands to the carrier: what asks for them, what settles them, what follows.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{a_call, effect_of, ended, outgoing};
use crate::call::terms::{CommandKind, EndReason, Fault, Status};
use crate::call::{CallEvent, CommandAccepted, CommandFailed, Reaction, Work, react};
use crate::ids::derive;
use crate::testing::calls::*;

fn work(facts: &[CallEvent]) -> Vec<(Uuid, Work)> {
    let reactions = facts.iter().flat_map(react);
    reactions
        .filter_map(|reaction| match reaction {
            Reaction::Do { effect_id, work, .. } => Some((effect_id, work)),
            _ => None,
        })
        .collect()
}

#[test]
fn every_request_is_one_piece_of_work_and_pending_until_settled() {
    let inbound = Line::inbound(AGENT);
    let talking = talking_outbound();
    let table = [
        (vec![], queued(), DIAL, CommandKind::Dial),
        (vec![], inbound.initiated(1), effect_of("leg-in", "answer"), CommandKind::Answer),
        (vec![], Line::inbound_to_nobody().initiated(1), effect_of("leg-in", "reject"), CommandKind::Reject),
        (
            vec![inbound.initiated(1)],
            inbound.answered(4),
            effect_of("leg-in", "greeting"),
            CommandKind::Speak,
        ),
        (talking.clone(), say(1, "hello", 20), id(1), CommandKind::Speak),
        (talking.clone(), transfer(1, 20), id(1), CommandKind::Transfer),
        (talking.clone(), send_dtmf(1, "1", 20), id(1), CommandKind::SendDtmf),
        (talking, hang_up(1, 20), id(1), CommandKind::HangUp),
    ];
    for (history, command, effect_id, kind) in table {
        let then = a_call().after(history).when(command);
        assert_eq!(work(then.facts()), [(effect_id, Work::Command(kind))]);
        assert!(outgoing(then.state(), effect_id).is_some(), "{kind}");
        if kind == CommandKind::Dial {
            continue; // answered in its own words
        }
        let pending = then.and();
        let fact = CommandAccepted { effect_id, command: kind, attempts: 1, at: at(25) };
        let settled = pending.when(accepted(effect_id, 25)).then([fact.into()]);
        assert!(outgoing(settled.state(), effect_id).is_none(), "{kind} is done");
        settled.and().when(accepted(effect_id, 26)).then_nothing();
    }
}

#[test]
fn what_is_settled_is_removed_and_an_end_is_looked_after() {
    let call = a_call().after(talking_outbound()).after([say(1, "hello", 20), hang_up(2, 21)]);
    let done = |n| Reaction::Done { effect_id: id(n) };
    let check = |n, seconds| Reaction::Do {
        effect_id: derive(id(n), "check"),
        work: Work::CheckLeg,
        after: Some(TimeDelta::seconds(seconds)),
    };
    let reactions = |then: crate::testing::scenario::Then<crate::call::Call>| -> Vec<Reaction> {
        then.facts().iter().flat_map(react).collect()
    };
    assert_eq!(reactions(call.clone().when(accepted(id(1), 22))), [done(1)]);
    assert_eq!(reactions(call.clone().when(accepted(id(2), 22))), [done(2), check(2, 30)]);
    assert_eq!(reactions(call.clone().when(failed(id(1), "90034", false, 22))), [done(1)]);
    // whatever was asked, a carrier that says the call is over is asked again about the leg
    assert_eq!(reactions(call.when(failed(id(1), "90018", true, 22))), [done(1), check(1, 10)]);
}

#[test]
fn a_command_that_fails_for_good_says_so_and_the_call_goes_on() {
    let call = a_call().after(talking_outbound()).after([say(1, "hello", 20)]);
    let fact = CommandFailed {
        effect_id: id(1),
        command: CommandKind::Speak,
        code: "90046".to_owned(),
        gone: false,
        attempts: 1,
        at: at(21),
    };
    let then = call.when(failed(id(1), "90046", false, 21)).then([fact.into()]);
    then.then_status(Status::InProgress).and().when(failed(id(1), "90046", false, 22)).then_nothing();
}

#[test]
fn a_call_that_can_be_neither_taken_nor_refused_is_out_of_our_hands() {
    for (line, purpose) in [(Line::inbound(AGENT), "answer"), (Line::inbound_to_nobody(), "reject")] {
        let call = a_call().after([line.initiated(1)]);
        let effect_id = effect_of("leg-in", purpose);
        let then = call.clone().when(failed(effect_id, "10009", false, 2));
        let end = ended(&then);
        assert_eq!((end.reason, end.fault), (EndReason::ProviderError, Fault::Provider));
        then.then_status(Status::Failed);
        let then = call.when(failed(effect_id, "90018", true, 2)).then_types(["call.command_failed"]);
        then.then_status(Status::Ringing);
    }
}

#[test]
fn a_dial_is_not_settled_like_other_commands() {
    let sent = a_call().after([queued(), start_dial(1)]);
    sent.clone().when(accepted(DIAL, 2)).then_nothing().then_status(Status::Dialing);
    let then = sent.when(failed(DIAL, "10007", false, 2));
    assert_eq!(ended(&then).reason, EndReason::ProviderError);
}

#[test]
fn an_unknown_effect_is_nobodys() {
    let call = a_call().after(talking_outbound());
    call.clone().when(accepted(id(77), 20)).then_nothing();
    call.clone().when(failed(id(77), "90018", true, 20)).then_nothing();
    assert!(outgoing(call.state(), id(77)).is_none());
}

#[test]
fn the_end_closes_everything_that_was_pending() {
    let call = a_call().after(talking_outbound()).after([say(1, "hello", 20), transfer(2, 20)]);
    let then = call.when(Line::dialled().hung_up(21));
    let reactions: Vec<Reaction> = then.facts().iter().flat_map(react).collect();
    assert_eq!(reactions, [Reaction::Close]);
    for n in 1..=2 {
        assert!(outgoing(then.state(), id(n)).is_none());
    }
    then.and().when(failed(id(2), "90018", true, 22)).then_nothing();
}

#[test]
fn a_lost_dial_is_looked_for_until_it_is_found() {
    let lost = a_call().after([queued(), start_dial(1)]).when(lose_dial(6));
    let reconcile = derive(DIAL, "reconcile");
    let after = Some(TimeDelta::seconds(2));
    let reactions: Vec<Reaction> = lost.facts().iter().flat_map(react).collect();
    let looks = Reaction::Do { effect_id: reconcile, work: Work::Reconcile, after };
    assert_eq!(reactions, [Reaction::Done { effect_id: DIAL }, looks]);
    let found = lost.and().when(accept_dial(8));
    let reactions: Vec<Reaction> = found.facts().iter().flat_map(react).collect();
    assert_eq!(reactions, [Reaction::Done { effect_id: DIAL }, Reaction::Done { effect_id: reconcile }]);
}

#[test]
fn work_that_ends_a_call_overtakes_the_rest() {
    for kind in CommandKind::ALL {
        let ends = matches!(kind, CommandKind::HangUp | CommandKind::Reject);
        assert_eq!(Work::Command(*kind).is_ordered(), !ends, "{kind}");
        assert_eq!(Work::from_name(kind.as_str()), Some(Work::Command(*kind)));
    }
    for work in [Work::Reconcile, Work::CheckLeg] {
        assert!(!work.is_ordered());
        assert_eq!(Work::from_name(work.as_str()), Some(work));
    }
    assert_eq!(Work::from_name("another"), None);
}
