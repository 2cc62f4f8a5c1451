//! An event that cannot be read.

use std::time::{Duration, Instant};

use adapters::testing::call_lives::{call, client, new_event};
use domain::call::{CallEvent, Ringing};
use domain::envelope::{Position, Version};
use domain::ports::event_store::Expected;
use projections::runner::{RebuildError, rebuild};
use projections::store::{Stall, ViewStore};

use super::{PATIENCE, World, brisk, caught_up, on_every_database};

on_every_database!(
    a_projection_stops_at_what_it_cannot_read_and_says_so,
    an_operators_skip_lets_it_go_on_and_holds_for_rebuilds,
    a_type_nobody_knows_yet_stops_nothing,
);

/// Call 1's life, then a `call.ringing` whose payload is no such thing, then call 2's life.
async fn poisoned(world: &World) -> Position {
    world.lives(1..2).await;
    let mut bad = new_event(900, 0, client(1), &CallEvent::from(Ringing { at: Default::default() }));
    bad.payload = b"+12025550100 said no".to_vec();
    let bad = world.log.append(&call(900).stream(), Expected::NoStream, vec![bad]).await.unwrap();
    world.lives(2..3).await;
    bad.first_position
}

async fn stall(world: &World, name: &str) -> Option<Stall> {
    let statuses = world.views.statuses().await.unwrap();
    statuses.into_iter().find(|status| status.name == name).and_then(|status| status.stall)
}

async fn until_stalled(world: &World) -> Stall {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(stall) = stall(world, "calls").await {
            return stall;
        }
        assert!(Instant::now() < deadline, "it does not say that it stands still");
        tokio::task::yield_now().await;
    }
}

async fn a_projection_stops_at_what_it_cannot_read_and_says_so(world: World) {
    let bad = poisoned(&world).await;
    let head = world.log.head().await.unwrap();
    let runner = world.start("one");
    let found = until_stalled(&world).await;
    assert_eq!((found.position, found.event_type.as_str()), (bad, "call.ringing"));
    assert!(!found.reason.contains("555"), "nothing of the payload is told: {}", found.reason);
    assert!(
        world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap().is_some(),
        "what came before is there"
    );
    assert!(
        world.one::<projections::calls::Calls>(client(1), call(2)).await.unwrap().is_none(),
        "what comes after is not"
    );
    let before = Position(bad.0 - 1);
    assert_eq!(ViewStore::checkpoint(&world.views, "calls").await.unwrap().position, before);
    let asked = Instant::now();
    assert!(!runner.progress().wait_for(head, PATIENCE).await);
    assert!(asked.elapsed() < Duration::from_secs(10), "nobody waits for an operator");
    runner.stop().await;
    // a restart tries again and stops again
    let runner = world.start("two");
    assert_eq!(until_stalled(&world).await, found);
    runner.stop().await;
    assert_eq!(stall(&world, "transcripts").await, None, "views it does not concern go on");
}

async fn an_operators_skip_lets_it_go_on_and_holds_for_rebuilds(world: World) {
    let bad = poisoned(&world).await;
    let runner = world.start("one");
    until_stalled(&world).await;
    let mut ignore = |_| {};
    let refused = rebuild(&world.deps("operator"), &brisk(), "calls", &mut ignore).await;
    assert!(matches!(refused, Err(RebuildError::Stalled(stall)) if stall.position == bad));
    runner.skip("calls", bad).await.unwrap();
    caught_up(&runner, world.log.head().await.unwrap()).await;
    assert_eq!(stall(&world, "calls").await, None);
    assert!(world.one::<projections::calls::Calls>(client(1), call(2)).await.unwrap().is_some());
    let report = rebuild(&world.deps("operator"), &brisk(), "calls", &mut ignore).await.unwrap();
    assert!(report.difference.is_equal(), "{:?}", report.difference);
    runner.stop().await;
}

async fn a_type_nobody_knows_yet_stops_nothing(world: World) {
    let mut new = new_event(1, 100, client(2), &CallEvent::from(Ringing { at: Default::default() }));
    world.lives(1..2).await;
    new.event_type = "call.teleported".to_owned();
    world.log.append(&call(1).stream(), Expected::Any, vec![new]).await.unwrap();
    world.catch_up().await;
    let stored = world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap().unwrap();
    assert_eq!(stored.version, Version(14), "its version counts all the same");
}
