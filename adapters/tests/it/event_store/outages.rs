//! PostgreSQL going away and coming back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::event_store::PostgresEventStore;
use adapters::testing::postgres::Cluster;
use domain::envelope::{Position, Version};
use domain::ports::event_store::{AppendError, Direction, EventStore, Expected, ReadError};
use futures::future::join_all;
use tokio::sync::watch;

use super::{event, log, stream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_unavailable_soon_and_used_again_when_it_is_back() {
    let cluster = Cluster::start();
    let store = PostgresEventStore::open(&cluster.database().await).await.unwrap();
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    cluster.stop();
    let asked = Instant::now();
    for n in 2..=4 {
        let answer = store.append(&stream(n), Expected::NoStream, vec![event(n)]).await;
        assert!(matches!(answer, Err(AppendError::Unavailable(_))), "{answer:?}");
        let answer = store.read_stream(&stream(1), Version::NONE, Direction::Forwards, 9).await;
        assert!(matches!(answer, Err(ReadError::Unavailable(_))), "{answer:?}");
        assert!(matches!(store.head().await, Err(ReadError::Unavailable(_))));
    }
    assert!(asked.elapsed() < Duration::from_secs(20), "it took {:?} to say no", asked.elapsed());
    cluster.resume();
    let appended = store.append(&stream(2), Expected::NoStream, vec![event(2)]).await.unwrap();
    assert_eq!((appended.first_position, appended.repeated), (Position(2), false));
    assert_eq!(store.head().await.unwrap(), Position(2));
    assert_eq!(log(&store).await.len(), 2);
}

/// Writers keep appending while the server is killed and comes back. Whatever was acknowledged is there, once;
/// whatever was not is told truly by the next try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_loses_nothing_acknowledged_and_doubles_nothing() {
    const WRITERS: u64 = 16;
    let cluster = Cluster::start();
    let store = Arc::new(PostgresEventStore::open(&cluster.database().await).await.unwrap());
    let acknowledged = watch::Sender::new(0_u64);
    let stop = watch::Sender::new(false);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, acknowledged, stop) = (Arc::clone(&store), acknowledged.clone(), stop.subscribe());
            tokio::spawn(async move {
                let mut done = 0;
                while !*stop.borrow() {
                    let batch = vec![event(writer * 1_000_000 + done + 1)];
                    match store.append(&stream(writer), Expected::Exact(Version(done)), batch).await {
                        Ok(appended) => {
                            assert_eq!(appended.version, Version(done + 1));
                            done += 1;
                            acknowledged.send_modify(|count| *count += 1);
                        }
                        // tried again as it is: the ids tell the store whether it was written
                        Err(AppendError::Unavailable(_) | AppendError::Unknown(_)) => {
                            tokio::task::yield_now().await
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                done
            })
        })
        .collect();
    for round in 1..=3 {
        let more = *acknowledged.borrow() + 500;
        acknowledged.subscribe().wait_for(|count| *count >= more).await.unwrap();
        cluster.kill();
        cluster.resume();
        let more = *acknowledged.borrow() + 100;
        let mut recovered = acknowledged.subscribe();
        let wait = recovered.wait_for(|count| *count >= more);
        assert!(
            tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(),
            "no recovery in round {round}"
        );
    }
    stop.send_replace(true);
    let done: Vec<u64> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    let log = log(&*store).await;
    for (writer, done) in (0..).zip(done) {
        let versions: Vec<_> =
            log.iter().filter(|event| event.stream == stream(writer)).map(|event| event.version.0).collect();
        assert_eq!(versions, (1..=done).collect::<Vec<_>>(), "stream of writer {writer}");
    }
}
