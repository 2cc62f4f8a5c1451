//! Calls we place.

use std::time::Duration;

use domain::call::report::{CarrierFact, LegRole, LegTag};
use domain::call::terms::{Direction, EndReason, Fault, Status};
use domain::call::{CallCommand, CallEvent};
use domain::ports::clock::Clock;
use domain::ports::telephony::{CarrierError, RefusedBecause};

use crate::world::{CLIENT, World, leg};

fn lost() -> CarrierError {
    CarrierError::Unknown { reason: "timeout".into() }
}

#[actix::test]
async fn a_queued_call_is_dialled_once_and_its_webhooks_find_it() {
    let world = World::new();
    world.start_work();
    let call = world.queue().await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["dial"]);
    let mut report = world.report("dialled", 1, CarrierFact::Initiated { direction: Direction::Outbound });
    report.tag = Some(LegTag { client: CLIENT, call, role: LegRole::Main });
    world.take(report).await;
    // the carrier forgets our tag: the leg is known all the same
    world.take(world.report("dialled", 2, CarrierFact::Answered)).await;
    assert_eq!(world.only_call().await, call);
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::InProgress);
}

#[actix::test]
async fn a_dial_whose_answer_is_lost_is_looked_for_and_never_dialled_again() {
    let world = World::new();
    world.start_work();
    world.carrier.fails_next([lost()]);
    let call = world.queue().await;
    world.settle().await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::DialUnknown);
    *world.carrier.lost_leg.lock().unwrap() = Some(leg("dialled"));
    world.pass(Duration::from_secs(3)).await;
    assert_eq!(world.carrier.asked_names(), ["dial"]);
    assert_eq!(world.calls.inspect(call).await.unwrap().control_id(), Some("v3:dialled"));
}

#[actix::test]
async fn a_lost_dial_that_never_turns_up_fails_as_the_carriers_fault() {
    let world = World::new();
    world.start_work();
    world.carrier.fails_next([lost()]);
    let call = world.queue().await;
    world.pass(Duration::from_secs(80)).await;
    let CallEvent::Ended(ended) = world.last(call).await else { panic!("not ended") };
    assert_eq!((ended.reason, ended.fault), (EndReason::DialTimeout, Fault::Provider));
    assert_eq!(world.carrier.asked_names().iter().filter(|name| *name == "dial").count(), 1);
}

#[actix::test]
async fn a_dial_that_certainly_did_not_leave_is_tried_again_under_the_same_id() {
    let world = World::new();
    world.start_work();
    world.carrier.fails_next([CarrierError::Unavailable { reason: "refused".into(), retry_after: None }]);
    let call = world.queue().await;
    world.settle().await;
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::Queued);
    world.pass(Duration::from_secs(1)).await;
    let asked = world.carrier.asked.lock().unwrap().clone();
    assert_eq!((asked.len(), asked[0] == asked[1]), (2, true));
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::Dialing);
}

#[actix::test]
async fn a_refused_dial_fails_with_the_reason() {
    let world = World::new();
    world.start_work();
    world.carrier.fails_next([CarrierError::Refused {
        because: RefusedBecause::BadNumber,
        status: 422,
        code: "10016".into(),
        title: "not E.164".into(),
    }]);
    let call = world.queue().await;
    world.settle().await;
    let CallEvent::Ended(ended) = world.last(call).await else { panic!("not ended") };
    assert_eq!((ended.reason, ended.fault), (EndReason::InvalidNumber, Fault::CallerConfig));
}

#[actix::test]
async fn a_node_that_died_while_dialling_leaves_a_dial_to_reconcile() {
    let world = World::new();
    let call = world.queue().await;
    let CallEvent::Queued(queued) = world.last(call).await else { panic!("not queued") };
    // the node before us wrote that it would dial, and was never seen again
    let start = CallCommand::StartDial { effect_id: queued.command_id, now: world.clock.now() };
    world.calls.execute(call, start, world.context(), None).await.unwrap();
    world.start_work();
    world.settle().await;
    assert!(world.carrier.asked_names().is_empty(), "never dialled blindly");
    assert_eq!(world.calls.inspect(call).await.unwrap().status(), Status::DialUnknown);
}

#[actix::test]
async fn a_call_that_lasts_too_long_is_ended() {
    let world = World::new();
    world.start_work();
    let call = world.queue().await;
    world.settle().await;
    world.take(world.report("dialled", 1, CarrierFact::Answered)).await;
    world.pass(Duration::from_secs(599)).await;
    assert_eq!(world.carrier.asked_names(), ["dial"]);
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(world.carrier.asked_names(), ["dial", "HangUp"]);
    let CallEvent::CommandAccepted(_) = world.last(call).await else { panic!("not settled") };
}
