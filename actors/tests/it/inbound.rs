//! Calls that come in.

use std::sync::Arc;
use std::time::Duration;

use adapters::event_store::MemoryEventStore;
use conformance::event_store::Faults;
use domain::call::CallEvent;
use domain::call::report::{CarrierFact, HangUp, HangUpCause, HangUpSource};
use domain::call::terms::{EndReason, EndedBy};
use domain::envelope::{Metadata, NewEvent, Version};
use domain::ids::NumberId;
use domain::number::{NumberAdded, NumberEvent, Route};
use domain::phone::{E164, Party};
use domain::ports::clock::Clock as _;
use domain::ports::event_store::{Direction as Way, EventStore as _, Expected};
use domain::ports::telephony::CarrierError;
use domain::wire::DomainEvent as _;
use uuid::Uuid;

use crate::world::{CLIENT, World};

fn hung_up(cause: HangUpCause, source: HangUpSource) -> CarrierFact {
    CarrierFact::HungUp(HangUp {
        cause,
        source,
        provider_code: "normal_clearing".into(),
        sip_code: Some(200),
    })
}

#[actix::test]
async fn a_call_to_our_number_is_answered_and_greeted() {
    let world = World::new();
    world.start_work();
    world.take(world.initiated("a")).await;
    world.settle().await;
    world.take(world.report("a", 2, CarrierFact::Answered)).await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Answer", "Speak"]);
    world.take(world.report("a", 3, hung_up(HangUpCause::Normal, HangUpSource::Caller))).await;
    let call = world.only_call().await;
    let CallEvent::Ended(ended) = world.last(call).await else { panic!("not ended") };
    assert_eq!((ended.reason, ended.ended_by), (EndReason::CallerHangup, EndedBy::Caller));
}

#[actix::test]
async fn a_call_to_nobodys_number_is_refused() {
    let world = World::new();
    world.start_work();
    let mut report = world.initiated("a");
    report.to = Some(Party::new("+12025550999"));
    world.take(report).await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Reject"]);
}

#[actix::test]
async fn a_call_to_a_number_that_another_node_took_in_a_moment_ago_is_not_refused() {
    let world = World::new();
    world.start_work();
    let number: E164 = "+12025550999".parse().unwrap();
    let added = NumberAdded {
        number: number.into(),
        route: Route::Agent { id: None },
        own_account: false,
        at: world.clock.now(),
    };
    let added = NumberEvent::Added(added);
    let event = NewEvent {
        id: Uuid::from_u128(77),
        event_type: added.event_type().to_owned(),
        schema: added.schema(),
        client_id: CLIENT,
        payload: added.encode(),
        metadata: Metadata::system("other-node", Uuid::from_u128(78)),
        recorded_at: world.clock.now(),
    };
    let stream = NumberId(Uuid::from_u128(79)).stream();
    world.store.append(&stream, Expected::NoStream, vec![event]).await.unwrap();
    let follow = async {
        tokio::task::yield_now().await;
        let events = world.store.read_stream(&stream, Version::NONE, Way::Forwards, 10).await.unwrap();
        world.numbers.apply(&events);
    };
    let mut report = world.initiated("a");
    report.to = Some(Party::new("+12025550999"));
    let (taken, ()) = tokio::join!(world.take(report), follow);
    assert!(taken.is_some());
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Answer"]);
}

#[actix::test]
async fn a_webhook_taken_twice_is_acknowledged_and_changes_nothing() {
    let world = World::new();
    let first = world.take(world.initiated("a")).await;
    let again = world.take(world.initiated("a")).await;
    assert!(first.is_some() && again.is_none());
    let call = world.only_call().await;
    assert_eq!(world.types(call).await, ["received", "answer_requested"]);
}

#[actix::test]
async fn a_command_whose_outcome_cannot_be_recorded_is_not_sent_again() {
    let faults = Faults::default();
    let store = Arc::new(MemoryEventStore::with_faults(faults.clone()));
    let first = World::new();
    let world = World::beside(store, first.work.clone(), first.clock.clone(), "node-1");
    world.take(world.initiated("a")).await;
    faults.refuse_commits(1_000_000);
    world.start_work();
    let steps = async |count: u32, step: Duration| {
        for _ in 0..count {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            world.clock.advance(step);
        }
    };
    steps(50, Duration::from_secs(1)).await;
    assert_eq!(world.carrier.asked_names(), ["Answer"], "in 50 seconds without a log");
    faults.refuse_commits(0);
    // until the outcome is written the effect stays due, and who is to write it sleeps for a second after each refusal:
    // in small steps, because an attempt that is under way sleeps from its end on
    steps(600, Duration::from_millis(10)).await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Answer"]);
    let call = world.only_call().await;
    assert_eq!(world.types(call).await, ["received", "answer_requested", "command_accepted"]);
}

#[actix::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_id() {
    let world = World::new();
    world.start_work();
    world.carrier.fails_next([CarrierError::Unknown { reason: "timeout".into() }]);
    world.take(world.initiated("a")).await;
    world.pass(Duration::from_secs(2)).await;
    let asked = world.carrier.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
}

#[actix::test]
async fn a_call_nobody_answers_is_hung_up_once_by_its_timer() {
    let world = World::new();
    world.start_work();
    world.carrier.fails_next((0..3).map(|_| CarrierError::NotReady { code: "90034".into() }));
    world.take(world.initiated("a")).await;
    world.pass(Duration::from_secs(59)).await;
    assert!(!world.carrier.asked_names().contains(&"HangUp".to_owned()));
    world.pass(Duration::from_secs(3)).await;
    let hang_ups = world.carrier.asked_names().into_iter().filter(|name| name == "HangUp").count();
    assert_eq!(hang_ups, 1);
}

#[actix::test]
async fn a_call_whose_last_webhook_is_lost_ends_by_asking_the_carrier() {
    let world = World::new();
    world.start_work();
    world.take(world.initiated("a")).await;
    world.settle().await;
    world.take(world.report("a", 2, CarrierFact::Answered)).await;
    world.settle().await;
    *world.carrier.leg_gone.lock().unwrap() = true;
    world.carrier.fails_next([CarrierError::Gone { code: "90018".into() }]);
    let call = world.only_call().await;
    let hang_up = domain::call::CallCommand::HangUp {
        id: uuid::Uuid::from_u128(77),
        reason: EndReason::ApiHangup,
        by: EndedBy::Operator,
        now: domain::ports::clock::Clock::now(&*world.clock),
    };
    world.calls.execute(call, hang_up, world.context(), None).await.unwrap();
    world.pass(Duration::from_secs(12)).await;
    let last = world.last(call).await;
    assert!(!matches!(last, CallEvent::Ended(_)), "asked once; its webhook may be on the way: {last:?}");
    world.pass(Duration::from_secs(32)).await;
    let CallEvent::Ended(ended) = world.last(call).await else { panic!("not ended") };
    assert_eq!((ended.reason, ended.ended_by), (EndReason::ApiHangup, EndedBy::Operator));
}

#[actix::test]
async fn an_idle_call_rests_and_wakes_with_its_memory() {
    let world = World::new();
    world.take(world.initiated("a")).await;
    assert_eq!(world.calls.live(), 1);
    while world.calls.live() > 0 {
        world.clock.advance(Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
    assert!(world.take(world.initiated("a")).await.is_none(), "the repeat is still recognised");
    assert_eq!(world.calls.live(), 1);
}
