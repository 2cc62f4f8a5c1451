//! Several nodes on one PostgreSQL log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::event_store::PostgresEventStore;
use adapters::testing::postgres::Cluster;
use domain::envelope::{Position, Version};
use domain::ports::event_store::{AppendError, EventStore, Expected, Subscription};
use domain::testing::ids::sequential;
use futures::future::join_all;
use sqlx::Executor;

use super::postgres::raw;
use super::{event, log, stream};

async fn two_nodes() -> [Arc<PostgresEventStore>; 2] {
    let url = Cluster::shared().database().await;
    // both at once, as after a power cut: one migrates, the other waits for it
    let (one, other) = tokio::join!(PostgresEventStore::open(&url), PostgresEventStore::open(&url));
    [Arc::new(one.unwrap()), Arc::new(other.unwrap())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_write_one_dense_log() {
    let nodes = two_nodes().await;
    let writers = (0..32).map(|writer| {
        let node = Arc::clone(&nodes[writer as usize % 2]);
        tokio::spawn(async move {
            for n in 0..20 {
                let batch = vec![event(writer * 100 + n + 1)];
                node.append(&stream(writer), Expected::Exact(Version(n)), batch).await.unwrap();
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let [one, other] = nodes;
    let whole = log(&*one).await;
    assert_eq!(whole.len(), 32 * 20);
    assert_eq!(whole, log(&*other).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_written_by_two_nodes_has_one_winner_a_version() {
    let nodes = two_nodes().await;
    let racers = (0..16).map(|racer| {
        let node = Arc::clone(&nodes[racer as usize % 2]);
        tokio::spawn(async move {
            let (mut wins, mut version) = (Vec::new(), Version::NONE);
            for n in 0..10 {
                match node
                    .append(&stream(1), Expected::Exact(version), vec![event(racer * 100 + n + 1)])
                    .await
                {
                    Ok(won) => {
                        wins.push(won.version);
                        version = won.version;
                    }
                    Err(AppendError::Conflict { current, .. }) => {
                        assert_ne!(current, version, "a conflict names another version than expected");
                        version = current;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            wins
        })
    });
    let mut wins: Vec<_> = join_all(racers).await.into_iter().flat_map(Result::unwrap).collect();
    wins.sort_unstable();
    let versions: Vec<_> = log(&*nodes[0]).await.iter().map(|event| event.version).collect();
    assert_eq!(wins, versions);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_from_two_nodes_lands_one_after_the_other() {
    let nodes = two_nodes().await;
    let writers = (0..16).map(|writer| {
        let node = Arc::clone(&nodes[writer as usize % 2]);
        tokio::spawn(async move {
            for n in 0..10 {
                let batch = vec![event(writer * 100 + n + 1)];
                // the same stream from both sides all the time: now and then a node has to give way
                while let Err(error) = node.append(&stream(1), Expected::Any, batch.clone()).await {
                    assert!(matches!(error, AppendError::Overloaded { .. }), "{error}");
                }
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let versions: Vec<_> = log(&*nodes[1]).await.iter().map(|event| event.version.0).collect();
    assert_eq!(versions, (1..=160).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_node_remembers_is_no_excuse_for_a_wrong_answer() {
    let [one, other] = two_nodes().await;
    one.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    other.append(&stream(1), Expected::Exact(Version(1)), vec![event(2)]).await.unwrap();
    // `one` still believes in version 1
    let stale = one.append(&stream(1), Expected::Exact(Version(1)), vec![event(3)]).await;
    assert!(matches!(stale, Err(AppendError::Conflict { current: Version(2), .. })), "{stale:?}");
    other.append(&stream(1), Expected::Exact(Version(2)), vec![event(4)]).await.unwrap();
    one.append(&stream(1), Expected::Exact(Version(3)), vec![event(5)]).await.unwrap();
    let again = one.append(&stream(1), Expected::Exact(Version(1)), vec![event(2)]).await.unwrap();
    assert_eq!((again.first_position, again.repeated), (Position(2), true), "written by the other node");
}

#[tokio::test]
async fn a_node_never_serves_the_hole_another_node_left_in_its_memory() {
    let [one, other] = two_nodes().await;
    for n in 1..=30 {
        let node = if n % 3 == 0 { &other } else { &one };
        node.append(&stream(n), Expected::NoStream, vec![event(n)]).await.unwrap();
        for reader in [&one, &other] {
            let ids: Vec<_> = log(&**reader).await.iter().map(|event| event.id).collect();
            assert_eq!(ids, (1..=n).map(sequential).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn a_follower_is_told_of_another_node_long_before_it_would_look() {
    let [one, other] = two_nodes().await;
    let mut fastest = Duration::MAX;
    for n in 1..=5 {
        let call = stream(n);
        let waiting = async {
            let asked = Instant::now();
            other.wait_past(Position(n - 1)).await;
            asked.elapsed()
        };
        let (waited, appended) = tokio::join!(waiting, one.append(&call, Expected::NoStream, vec![event(n)]));
        appended.unwrap();
        fastest = fastest.min(waited);
    }
    // left alone, a wait lasts a second
    assert!(fastest < Duration::from_millis(500), "the fastest of five waits took {fastest:?}");
}

#[tokio::test]
async fn a_follower_hears_of_another_node_even_when_nobody_tells_it() {
    let url = Cluster::shared().database().await;
    let one = PostgresEventStore::open(&url).await.unwrap();
    let other = Arc::new(PostgresEventStore::open(&url).await.unwrap());
    let mut subscription = Subscription::new(other, Position::START, 10);
    for n in 1..=5 {
        if n == 3 {
            // every connection of both nodes is cut: the one that listens, those that read, those that write
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = current_database() AND application_name = 'voxledger'";
            raw(&url).await.execute(cut).await.unwrap();
        }
        one.append(&stream(n), Expected::NoStream, vec![event(n)]).await.unwrap();
        let seen = loop {
            match subscription.next().await {
                Ok(seen) => break seen,
                // a reader whose connection was cut is told so once, and reads on
                Err(error) => assert_eq!(n, 3, "{error}"),
            }
        };
        assert_eq!(seen.iter().map(|event| event.id).collect::<Vec<_>>(), [sequential(n)]);
    }
}
