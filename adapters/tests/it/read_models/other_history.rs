//! Views that hold events which are not in the log: after a restore of the log alone, or beside another log.

use std::sync::Arc;

use adapters::event_store::MemoryEventStore;
use projections::runner::{RebuildError, compare, drop_other_history, projection_names, rebuild};
use projections::store::ViewStore;

use super::{World, brisk, on_every_database};

on_every_database!(
    views_beyond_the_log_are_made_anew,
    views_of_a_history_that_went_another_way_are_made_anew,
    views_of_the_same_history_are_left_alone,
    a_comparison_says_that_the_rows_are_of_another_history,
    a_rebuild_replaces_rows_of_another_history,
);

/// The same views beside a log with other calls.
async fn beside_log_of(world: World, calls: std::ops::Range<u64>) -> World {
    let world = World { log: Arc::new(MemoryEventStore::default()), ..world };
    world.lives(calls).await;
    world
}

async fn made_afresh(world: &World, calls: std::ops::Range<u64>) -> bool {
    let fresh = beside_log_of(super::sqlite().await, calls).await;
    fresh.catch_up().await;
    world.digests().await == fresh.digests().await
}

async fn views_beyond_the_log_are_made_anew(world: World) {
    world.lives(1..60).await;
    world.catch_up().await;
    let world = beside_log_of(world, 1..20).await;
    let dropped = drop_other_history(&world.deps("one")).await.unwrap();
    assert_eq!(dropped.len(), projection_names().len());
    world.catch_up().await;
    assert!(made_afresh(&world, 1..20).await);
    let head = world.log.head().await.unwrap();
    for view in world.views.statuses().await.unwrap() {
        assert_eq!(view.position, head, "{}", view.name);
    }
}

async fn views_of_a_history_that_went_another_way_are_made_anew(world: World) {
    world.lives(1..20).await;
    world.catch_up().await;
    let world = beside_log_of(world, 100..160).await;
    world.catch_up().await;
    assert!(made_afresh(&world, 100..160).await);
}

async fn views_of_the_same_history_are_left_alone(world: World) {
    world.lives(1..20).await;
    world.catch_up().await;
    let before = world.views.checkpoint("calls").await.unwrap();
    assert!(drop_other_history(&world.deps("one")).await.unwrap().is_empty());
    world.lives(20..30).await;
    world.catch_up().await;
    assert_eq!(world.views.checkpoint("calls").await.unwrap().generation, before.generation);
}

async fn a_comparison_says_that_the_rows_are_of_another_history(world: World) {
    world.lives(1..60).await;
    world.catch_up().await;
    let world = beside_log_of(world, 1..20).await;
    let compared = compare(&world.deps("auditor"), &brisk(), "calls", &mut |_| {}).await;
    assert!(matches!(compared, Err(RebuildError::OtherHistory { .. })), "{compared:?}");
}

async fn a_rebuild_replaces_rows_of_another_history(world: World) {
    world.lives(1..60).await;
    world.catch_up().await;
    let world = beside_log_of(world, 1..20).await;
    for view in ["calls", "transcripts"] {
        rebuild(&world.deps("operator"), &brisk(), view, &mut |_| {}).await.unwrap();
    }
    assert!(made_afresh(&world, 1..20).await);
}
