//! Rebuilding beside the live rows.

use adapters::testing::call_lives::{call, client};
use domain::ports::lease::Leases;
use projections::calls::{CallQueries, CallRow};
use projections::page::PageRequest;
use projections::runner::{RebuildError, projection_names, rebuild};
use projections::store::{Generation, Mode, Step, ViewRows, ViewStore};

use super::{World, brisk, caught_up, on_every_database};

on_every_database!(
    a_rebuild_gives_the_same_rows_byte_for_byte,
    a_rebuild_beside_live_writing_loses_and_repeats_nothing,
    a_rebuild_repairs_and_reports_what_differed,
    a_rebuild_that_died_is_cleared_away_by_the_next,
    an_unknown_projection_is_not_rebuilt,
);

async fn a_rebuild_gives_the_same_rows_byte_for_byte(world: World) {
    let events = world.lives(1..60).await;
    world.catch_up().await;
    let before = world.digests().await;
    for name in projection_names() {
        let mut seen = 0;
        let mut watch = |progress: projections::runner::RebuildProgress| seen = progress.position.0;
        let report = rebuild(&world.deps("operator"), &brisk(), name, &mut watch).await.unwrap();
        assert!(report.difference.is_equal(), "{name}: {:?}", report.difference);
        assert_eq!((report.generation, report.events, seen), (Generation(2), events, events));
    }
    assert_eq!(world.digests().await, before);
    assert_eq!(before.0.rows, 59);
    let generations = world.views.generations("calls").await.unwrap();
    assert_eq!(generations.len(), 1, "the old rows are gone");
    let old = ViewRows::<CallRow>::digest(&world.views, Generation(1)).await.unwrap();
    assert_eq!(old.rows, 0);
}

async fn a_rebuild_beside_live_writing_loses_and_repeats_nothing(world: World) {
    world.lives(1..100).await;
    let runner = world.start("one");
    let (deps, settings) = (world.deps("operator"), brisk());
    let mut ignore = |_| {};
    let appends = async {
        for n in 100..140 {
            world.lives(n..n + 1).await;
            caught_up(&runner, world.log.head().await.unwrap()).await;
            let stored = world.one::<projections::calls::Calls>(client(n % 2 + 1), call(n)).await.unwrap();
            assert!(stored.is_some(), "call {n} vanished from its reader's eyes");
        }
    };
    let rebuilds = async {
        for round in 0..3 {
            let report = rebuild(&deps, &settings, "calls", &mut ignore).await.unwrap();
            assert!(report.difference.is_equal(), "round {round}: {:?}", report.difference);
        }
    };
    tokio::join!(appends, rebuilds);
    caught_up(&runner, world.log.head().await.unwrap()).await;
    runner.stop().await;
    let live = world.digests().await;
    assert_eq!(live.0.rows, 139);
    rebuild(&deps, &settings, "calls", &mut ignore).await.unwrap();
    assert_eq!(world.digests().await, live);
    assert_eq!(ViewStore::checkpoint(&world.views, "calls").await.unwrap().generation, Generation(5));
}

async fn a_rebuild_repairs_and_reports_what_differed(world: World) {
    world.lives(1..10).await;
    world.catch_up().await;
    let right = world.digests().await;
    // a row that no event accounts for, as a bug of an older version may have left it
    let checkpoint = ViewStore::checkpoint(&world.views, "calls").await.unwrap();
    let wrong = ViewRows::<CallRow>::load(&world.views, checkpoint.generation, &[call(3).0]).await.unwrap();
    let mut wrong = wrong.into_iter().next().unwrap();
    wrong.view.provider_code = Some("nonsense".to_owned());
    let mut stray = wrong.clone();
    stray.view.id = call(999);
    let lease = world.views.acquire("bug", "bug", brisk().lease_ttl).await.unwrap().unwrap();
    let (generation, expected, to) = (checkpoint.generation, checkpoint.position, checkpoint.reached());
    let step = Step { projection: "calls", generation, expected, to, lease, mode: Mode::Live, retires: None };
    ViewRows::<CallRow>::commit(&world.views, &step, &[&wrong, &stray], &[]).await.unwrap();
    assert_ne!(world.digests().await, right);

    let report = rebuild(&world.deps("operator"), &brisk(), "calls", &mut |_| {}).await.unwrap();
    let found = report.difference;
    assert_eq!((found.differing, found.missing, found.extra), (1, 1, 0), "one wrong, one only the old had");
    assert_eq!(world.digests().await, right);
}

async fn a_rebuild_that_died_is_cleared_away_by_the_next(world: World) {
    world.lives(1..20).await;
    world.catch_up().await;
    let right = world.digests().await;
    let deps = world.deps("operator");
    {
        let mut steps = 0;
        let mut watch = |_| steps += 1;
        let settings = brisk();
        let dying = rebuild(&deps, &settings, "calls", &mut watch);
        let mut dying = std::pin::pin!(dying);
        // a few polls in, somewhere in the middle, it is dropped
        for _ in 0..40 {
            let _ = futures::poll!(&mut dying);
            tokio::task::yield_now().await;
        }
    }
    let page = world.views.calls(client(1), &Default::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(page.items.len(), 9, "readers see the old rows, once");
    let report = rebuild(&deps, &brisk(), "calls", &mut |_| {}).await.unwrap();
    assert!(report.difference.is_equal());
    assert_eq!(world.views.generations("calls").await.unwrap().len(), 1);
    assert_eq!(world.digests().await, right);
}

async fn an_unknown_projection_is_not_rebuilt(world: World) {
    let refused = rebuild(&world.deps("operator"), &brisk(), "horoscopes", &mut |_| {}).await;
    assert!(matches!(refused, Err(RebuildError::Unknown(_))));
}
