//! The server of the views goes away and comes back; nobody has to help.

use std::sync::Arc;
use std::time::Duration;

use adapters::event_store::MemoryEventStore;
use adapters::read_models::{PostgresSettings, SqlViews};
use adapters::testing::call_lives::{call, client};
use adapters::testing::postgres::Cluster;
use domain::ports::lease::Leases;
use projections::calls::CallQueries;
use projections::page::PageRequest;

use super::{World, caught_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_views_catch_up_by_themselves_after_an_outage() {
    let cluster = Arc::new(Cluster::start());
    let url = cluster.database().await;
    let views = SqlViews::open_postgres(&url, PostgresSettings::default()).await.unwrap();
    let log = Arc::new(MemoryEventStore::default());
    let world = World { log, views, shared: true, _keep: Box::new(cluster.clone()) };
    world.lives(1..10).await;
    let runner = world.start("one");
    caught_up(&runner, world.log.head().await.unwrap()).await;

    for (n, kill) in [(10, false), (20, true)] {
        let gone = cluster.clone();
        tokio::task::spawn_blocking(move || if kill { gone.kill() } else { gone.stop() }).await.unwrap();
        world.lives(n..n + 10).await;
        let head = world.log.head().await.unwrap();
        // neither a panic nor a hang: an error that says so
        assert!(world.one::<projections::calls::Calls>(client(2), call(1)).await.is_err());
        assert!(world.views.calls(client(2), &Default::default(), &PageRequest::default()).await.is_err());
        assert!(world.views.acquire("job", "one", Duration::from_secs(1)).await.is_err());
        assert!(!runner.progress().wait_for(head, Duration::from_millis(50)).await);
        let back = cluster.clone();
        tokio::task::spawn_blocking(move || back.resume()).await.unwrap();
        caught_up(&runner, head).await;
        for n in 1..n + 10 {
            assert!(
                world.one::<projections::calls::Calls>(client(n % 2 + 1), call(n)).await.unwrap().is_some(),
                "call {n}"
            );
        }
    }
    runner.stop().await;
    let after = world.digests().await;
    let calm = World { log: world.log.clone(), ..super::postgres().await };
    calm.catch_up().await;
    assert_eq!(after, calm.digests().await, "as if nothing had happened");
}
