//! Every event counts once, whatever dies and whoever else is at it.

use std::time::Duration;

use adapters::read_models::SqlViews;
use adapters::testing::call_lives::{call, client};
use domain::envelope::{Position, Recorded, Version};
use domain::ports::lease::{Lease, Leases};
use projections::calls::{CallRow, Calls};
use projections::numbers::NumberRow;
use projections::store::{CommitError, Generation, Mode, Step, ViewRows, ViewStore};
use projections::transcripts::LineRow;
use projections::view::replay;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use super::{World, on_every_database};

on_every_database!(
    a_commit_that_was_lost_is_made_again_with_the_same_rows,
    a_step_from_a_moved_checkpoint_writes_nothing,
    a_stale_lease_writes_nothing,
    a_released_lease_writes_nothing,
    an_inactive_generation_is_not_written_as_a_live_one,
    steps_committed_together_are_decided_one_by_one,
);

const TTL: Duration = Duration::from_secs(60);

async fn lease(world: &World, owner: &str) -> Lease {
    lease_of(&world.views, "calls", owner).await
}

async fn lease_of(views: &SqlViews, projection: &str, owner: &str) -> Lease {
    ViewStore::checkpoint(views, projection).await.unwrap();
    views.acquire(&format!("projection:{projection}"), owner, TTL).await.unwrap().unwrap()
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
    assert_eq!(world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap(), None);
    assert_eq!(ViewStore::checkpoint(&world.views, "calls").await.unwrap().position, Position(5));
    commit(&world, &step(&lease, 5, 13), &[&row]).await.unwrap();
    assert_eq!(
        world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap().unwrap().version,
        Version(13)
    );
}

async fn a_stale_lease_writes_nothing(world: World) {
    let (row, _) = first_call(&world).await;
    let stale = lease(&world, "one").await;
    world.views.release(&stale).await.unwrap();
    let newer = lease(&world, "two").await;
    assert!(newer.epoch > stale.epoch);
    let late = commit(&world, &step(&stale, 0, 13), &[&row]).await;
    assert!(matches!(late, Err(CommitError::Deposed)), "{late:?}");
    assert_eq!(world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap(), None);
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
    assert_eq!(
        world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap().unwrap().version,
        Version(13)
    );
    let old = commit(&world, &step(&lease, 0, 13), &[&row]).await;
    assert!(matches!(old, Err(CommitError::Deposed)), "the old generation is not live any more");
}

async fn steps_committed_together_are_decided_one_by_one(world: World) {
    let (row, _) = first_call(&world).await;
    let calls = lease(&world, "one").await;
    let numbers = lease_of(&world.views, "numbers", "one").await;
    let stale = lease_of(&world.views, "transcripts", "one").await;
    world.views.release(&stale).await.unwrap();
    lease_of(&world.views, "transcripts", "two").await;
    let of = |projection, lease: &Lease, expected| Step { projection, ..step(lease, expected, 13) };
    let (of_numbers, of_transcripts) = (of("numbers", &numbers, 0), of("transcripts", &stale, 0));
    let (of_calls, rows) = (of("calls", &calls, 0), [&row]);
    let (first, deposed, moved) = tokio::join!(
        commit(&world, &of_calls, &rows),
        ViewRows::<LineRow>::commit(&world.views, &of_transcripts, &[], &[]),
        ViewRows::<NumberRow>::commit(&world.views, &of_numbers, &[], &[]),
    );
    assert!(matches!(first, Ok(false)), "{first:?}");
    assert!(matches!(deposed, Err(CommitError::Deposed)), "{deposed:?}");
    assert!(matches!(moved, Ok(false)), "{moved:?}");
    assert_eq!(
        world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap().unwrap().version,
        Version(13)
    );
    for (projection, position) in [("calls", 13), ("numbers", 13), ("transcripts", 0)] {
        let checkpoint = ViewStore::checkpoint(&world.views, projection).await.unwrap();
        assert_eq!(checkpoint.position, Position(position), "{projection}");
    }
}

/// The others of a transaction that fails are committed without the one that made it fail.
#[tokio::test]
async fn a_step_that_cannot_be_written_keeps_no_other_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("views.db");
    let world = World { views: SqlViews::open_sqlite(&path).await.unwrap(), ..super::sqlite().await };
    let (row, _) = first_call(&world).await;
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON calls BEGIN SELECT RAISE(FAIL, 'no room'); END";
    let mut other = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    other.execute(trigger).await.unwrap();
    let (calls, numbers) = (lease(&world, "one").await, lease_of(&world.views, "numbers", "one").await);
    let of_numbers = Step { projection: "numbers", ..step(&numbers, 0, 13) };
    let of_calls = step(&calls, 0, 13);
    let rows = [&row];
    let (failed, moved) = tokio::join!(
        commit(&world, &of_calls, &rows),
        ViewRows::<NumberRow>::commit(&world.views, &of_numbers, &[], &[]),
    );
    assert!(matches!(&failed, Err(CommitError::Unavailable(error)) if error.to_string().contains("no room")));
    assert!(matches!(moved, Ok(false)), "{moved:?}");
    assert_eq!(ViewStore::checkpoint(&world.views, "calls").await.unwrap().position, Position::START);
    // the next transaction of the store ends the one that failed, and with it the lock
    world.views.set_stall("calls", None).await.unwrap();
    other.execute("DROP TRIGGER full").await.unwrap();
    assert!(matches!(commit(&world, &of_calls, &[&row]).await, Ok(false)));
    assert_eq!(
        world.one::<projections::calls::Calls>(client(2), call(1)).await.unwrap().unwrap().version,
        Version(13)
    );
}
