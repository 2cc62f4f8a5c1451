//! Every event counts once, whatever dies and whoever else is at it.

use std::time::Duration;

use adapters::testing::call_lives::{call, client};
use domain::envelope::{Position, Recorded, Version};
use domain::ports::lease::{Lease, Leases};
use projections::calls::{CallQueries, CallRow, Calls};
use projections::store::{CommitError, Generation, Mode, Step, ViewRows, ViewStore};
use projections::view::replay;

use super::{World, on_every_database};

on_every_database!(
    a_commit_that_was_lost_is_made_again_with_the_same_rows,
    a_step_from_a_moved_checkpoint_writes_nothing,
    a_stale_lease_writes_nothing,
    a_released_lease_writes_nothing,
    an_inactive_generation_is_not_written_as_a_live_one,
);

const TTL: Duration = Duration::from_secs(60);

async fn lease(world: &World, owner: &str) -> Lease {
    world.views.acquire("projection:calls", owner, TTL).await.unwrap().unwrap()
}

fn step(lease: &Lease, expected: u64, to: u64) -> Step {
    Step {
        projection: "calls",
        generation: Generation(1),
        expected: Position(expected),
        to: Position(to).into(),
        lease: lease.clone(),
        mode: Mode::Live,
        retires: None,
    }
}

async fn first_call(world: &World) -> (CallRow, Vec<Recorded>) {
    world.lives(1..2).await;
    ViewStore::checkpoint(&world.views, "calls").await.unwrap();
    let events = world.log.read_all(Position::START, 100).await.unwrap();
    (replay::<Calls>(&events).unwrap().unwrap(), events)
}

async fn commit(world: &World, step: &Step, rows: &[&CallRow]) -> Result<bool, CommitError> {
    ViewRows::<CallRow>::commit(&world.views, step, rows, &[]).await
}

/// The process dies after reading and before its commit, and once more right after it.
async fn a_commit_that_was_lost_is_made_again_with_the_same_rows(world: World) {
    world.lives(1..30).await;
    world.catch_up().await;
    let whole = world.digests().await;
    for died_at in [0, 1, 50, 200] {
        let again = World { log: world.log.clone(), ..super::sqlite().await };
        let reference = World { log: world.log.clone(), ..super::sqlite().await };
        reference.catch_up().await;
        let runner = again.start("first");
        runner.progress().wait_for(Position(died_at), super::PATIENCE).await;
        drop(runner); // no goodbye: tasks are cut off wherever they are
        again.catch_up().await;
        assert_eq!(again.digests().await, reference.digests().await, "died at {died_at}");
        assert_eq!(again.digests().await.1, whole.1);
    }
}

async fn a_step_from_a_moved_checkpoint_writes_nothing(world: World) {
    let (row, _) = first_call(&world).await;
    let lease = lease(&world, "one").await;
    assert!(matches!(commit(&world, &step(&lease, 0, 5), &[]).await, Ok(false)));
    let late = commit(&world, &step(&lease, 0, 13), &[&row]).await;
    assert!(matches!(late, Err(CommitError::Deposed)), "{late:?}");
    assert_eq!(world.views.call(client(2), call(1)).await.unwrap(), None);
    assert_eq!(ViewStore::checkpoint(&world.views, "calls").await.unwrap().position, Position(5));
    commit(&world, &step(&lease, 5, 13), &[&row]).await.unwrap();
    assert_eq!(world.views.call(client(2), call(1)).await.unwrap().unwrap().version, Version(13));
}

async fn a_stale_lease_writes_nothing(world: World) {
    let (row, _) = first_call(&world).await;
    let stale = lease(&world, "one").await;
    world.views.release(&stale).await.unwrap();
    let newer = lease(&world, "two").await;
    assert!(newer.epoch > stale.epoch);
    let late = commit(&world, &step(&stale, 0, 13), &[&row]).await;
    assert!(matches!(late, Err(CommitError::Deposed)), "{late:?}");
    assert_eq!(world.views.call(client(2), call(1)).await.unwrap(), None);
    commit(&world, &step(&newer, 0, 13), &[&row]).await.unwrap();
}

async fn a_released_lease_writes_nothing(world: World) {
    let (row, _) = first_call(&world).await;
    let gone = lease(&world, "one").await;
    world.views.release(&gone).await.unwrap();
    assert!(matches!(commit(&world, &step(&gone, 0, 13), &[&row]).await, Err(CommitError::Deposed)));
}

async fn an_inactive_generation_is_not_written_as_a_live_one(world: World) {
    let (row, _) = first_call(&world).await;
    let lease = lease(&world, "one").await;
    let next = world.views.add_generation("calls").await.unwrap();
    assert_eq!((next.generation, next.position), (Generation(2), Position::START));
    let live = Step { generation: next.generation, ..step(&lease, 0, 13) };
    assert!(matches!(commit(&world, &live, &[&row]).await, Err(CommitError::Deposed)));
    let switch = Step { mode: Mode::RebuildAndSwitch, ..live.clone() };
    assert!(commit(&world, &switch, &[&row]).await.unwrap(), "no less far than the active one");
    assert_eq!(world.views.call(client(2), call(1)).await.unwrap().unwrap().version, Version(13));
    let old = commit(&world, &step(&lease, 0, 13), &[&row]).await;
    assert!(matches!(old, Err(CommitError::Deposed)), "the old generation is not live any more");
}
