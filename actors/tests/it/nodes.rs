//! Two nodes on one log.

use domain::call::report::CarrierFact;
use domain::call::terms::Status;
use domain::personal::Personal;

use crate::world::World;

#[actix::test]
async fn webhooks_of_one_call_may_reach_either_node() {
    let one = World::new();
    let two = World::beside(one.store.clone(), one.work.clone(), one.clock.clone(), "node-2");
    let worlds = [&one, &two];
    one.take(one.initiated("a")).await;
    two.take(two.report("a", 2, CarrierFact::Answered)).await;
    let digits = (0..40).map(|n| {
        let world = worlds[n % 2];
        world.take(world.report("a", 10 + n as u32, CarrierFact::Dtmf(Personal::new('5'))))
    });
    futures::future::join_all(digits).await;
    let call = one.only_call().await;
    let types = two.types(call).await;
    assert_eq!(types.iter().filter(|name| *name == "dtmf_received").count(), 40);
    assert_eq!(one.calls.inspect(call).await.unwrap().status(), Status::InProgress);
}

#[actix::test]
async fn both_nodes_hearing_of_a_call_first_make_one_call() {
    let one = World::new();
    let two = World::beside(one.store.clone(), one.work.clone(), one.clock.clone(), "node-2");
    let (first, second) = futures::future::join(
        one.take(one.initiated("a")),
        two.take(two.report("a", 2, CarrierFact::Answered)),
    )
    .await;
    assert!(first.is_some() && second.is_some());
    one.only_call().await;
}

#[actix::test]
async fn an_effect_asked_for_on_one_node_is_performed_by_the_other() {
    let one = World::new();
    let two = World::beside(one.store.clone(), one.work.clone(), one.clock.clone(), "node-2");
    two.start_work();
    two.take(two.initiated("a")).await;
    two.settle().await;
    // node 2 holds the call in memory, node 1 goes on with it
    one.take(one.report("a", 2, CarrierFact::Answered)).await;
    two.settle().await;
    assert_eq!(two.carrier.asked_names(), ["Answer", "Speak"]);
}
