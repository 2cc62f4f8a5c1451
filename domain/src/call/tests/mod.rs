//! The rules of a call as given, when, then: a file for each idea.

mod agents;
mod carrier_side;
mod commands;
mod dialling;
mod disorder;
mod effects;
mod endings;
mod hanging_up;
mod hosted;
mod inbound;
mod menu_keys;
mod merging;
mod permutations;
mod run;
mod sequences;
mod timers;
mod transfer;

use crate::call::report::CarrierReport;
use crate::call::{Call, CallEvent, Ended, Outgoing};
use crate::ids::{LegId, derive};
use crate::testing::calls::{CALL, CLIENT, PROVIDER};
use crate::testing::scenario::{Scenario, Then, scenario};
use run::Run;
use uuid::Uuid;

fn a_call() -> Scenario<Call> {
    scenario::<Call>()
}

/// The same webhook under another id, as a carrier may send it.
fn retold(mut report: CarrierReport) -> CarrierReport {
    report.event_id.push_str("/again");
    report
}

/// The effect of `purpose` on a leg, whichever webhook asked for it.
fn effect_of(leg_id: &str, purpose: &str) -> Uuid {
    derive(LegId::of(PROVIDER, leg_id).0, purpose)
}

/// The end of a call, as its one end fact says.
#[track_caller]
fn ended(then: &Then<Call>) -> Ended {
    let ends = then.facts().iter().filter_map(|fact| match fact {
        CallEvent::Ended(ended) => Some(ended),
        _ => None,
    });
    let [end] = ends.collect::<Vec<_>>()[..] else { panic!("one end, not {:?}", then.facts()) };
    end.clone()
}

/// The carrier request of an effect.
fn outgoing(call: &Call, effect_id: Uuid) -> Option<Outgoing> {
    call.outgoing(effect_id, CALL, CLIENT)
}
