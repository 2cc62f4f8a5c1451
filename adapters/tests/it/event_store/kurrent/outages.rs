//! What goes wrong between a node and the database, and what the node makes of it.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use adapters::event_store::EventLog;
use domain::envelope::{Position, Version};
use domain::ports::event_store::{AppendError, Appended, EventStore, Expected, LogTable};
use domain::testing::ids::sequential;
use fake_kurrentdb::AppendFault;
use futures::future::join_all;

use super::super::{event, log, stream};
use super::{cluster, open, server};

/// Number of records of our streams that the database holds.
fn stored(server: &fake_kurrentdb::FakeKurrentDb) -> usize {
    server.log().records().iter().filter(|record| record.stream.starts_with("voxledger.")).count()
}

/// Appends two events while a fault strikes; they must be stored once, and be told so.
async fn survives(server: &fake_kurrentdb::FakeKurrentDb, fault: AppendFault) {
    let store = open(server).await;
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    server.faults().next_appends([fault]);
    let answer = store.append(&stream(1), Expected::Exact(Version(1)), vec![event(2), event(3)]).await;
    let wanted = Appended {
        first_position: Position(2),
        last_position: Position(3),
        version: Version(3),
        repeated: false,
    };
    assert_eq!(answer.unwrap(), wanted, "{fault:?}");
    assert_eq!(server.faults().appends_left(), 0, "{fault:?} never struck");
    store.append(&stream(2), Expected::NoStream, vec![event(4)]).await.unwrap();
    let ids: Vec<_> = log(&store).await.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=4).map(sequential).collect::<Vec<_>>(), "{fault:?}");
    assert_eq!(stored(server), 4, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_was_not_written_is_written() {
    for fault in [AppendFault::NotReady, AppendFault::ResetBeforeCommit, AppendFault::TimeoutNotWritten] {
        survives(&server().await, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_was_lost_is_found() {
    for fault in [AppendFault::ResetAfterCommit, AppendFault::TimeoutWritten, AppendFault::SilentAfterCommit]
    {
        survives(&server().await, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_moves_in_the_middle_of_an_append_is_followed() {
    for fault in [AppendFault::LeaderMoves, AppendFault::LeaderMovesAfterCommit] {
        survives(&cluster(3).await, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_is_written_late_after_all_changes_nothing() {
    let server = server().await;
    let store = open(&server).await;
    server.faults().next_appends([AppendFault::TimeoutWrittenLater]);
    let appended = store.append(&stream(1), Expected::NoStream, vec![event(1), event(2)]).await.unwrap();
    assert_eq!((appended.last_position, appended.repeated), (Position(2), false));
    server.faults().release_late_commits();
    // the late one runs before this is answered, or after: either way it must find the revision taken
    store.append(&stream(1), Expected::Exact(Version(2)), vec![event(3)]).await.unwrap();
    assert_eq!(log(&store).await.len(), 3);
    assert_eq!(stored(&server), 3);
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_nothing_is_written() {
    let server = server().await;
    let store = open(&server).await;
    server.faults().next_appends([AppendFault::AccessDenied]);
    let refused = store.append(&stream(1), Expected::NoStream, vec![event(1)]).await;
    assert!(
        matches!(&refused, Err(AppendError::Unavailable(why)) if why.contains("denies access")),
        "{refused:?}"
    );
    let appended = store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    assert_eq!((appended.first_position, appended.repeated), (Position(1), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_unavailable_soon_and_used_again_when_it_is_back() {
    let server = server().await;
    let store = open(&server).await;
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    server.set_alive(0, false);
    let call = stream(2);
    let (append, head) = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::join!(store.append(&call, Expected::NoStream, vec![event(2)]), store.head())
    })
    .await
    .expect("both answer soon");
    // "not ready" looks like a broken connection to the client, so nobody can say what became of it
    assert!(matches!(append, Err(AppendError::Unavailable(_) | AppendError::Unknown(_))), "{append:?}");
    assert!(head.is_err());
    server.set_alive(0, true);
    let appended = store.append(&call, Expected::NoStream, vec![event(2)]).await.unwrap();
    assert_eq!((appended.first_position, appended.repeated), (Position(2), false));
    assert_eq!(log(&store).await.len(), 2);
}

/// Writers append on two nodes while connections break, subscriptions end and the leader moves. Whatever was
/// acknowledged is there once, and all nodes count alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_under_load_lose_nothing_acknowledged_and_double_nothing() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 25;
    let server = Arc::new(cluster(3).await);
    let stores = [Arc::new(open(&server).await), Arc::new(open(&server).await)];
    let faults = [
        AppendFault::ResetAfterCommit,
        AppendFault::LeaderMoves,
        AppendFault::TimeoutWritten,
        AppendFault::ResetBeforeCommit,
        AppendFault::LeaderMovesAfterCommit,
        AppendFault::NotReady,
    ];
    let writers = (0..WRITERS).map(|writer| {
        let (server, store) = (server.clone(), stores[writer as usize % 2].clone());
        tokio::spawn(async move {
            let mut version = Version::NONE;
            for n in 0..EACH {
                let batch = vec![event(writer * 1_000 + 2 * n + 1), event(writer * 1_000 + 2 * n + 2)];
                if n % 4 == 1 {
                    server.faults().next_appends([faults[(writer + n) as usize % faults.len()]]);
                }
                if n == writer {
                    server.faults().cut_subscriptions();
                }
                loop {
                    match store.append(&stream(writer), Expected::Exact(version), batch.clone()).await {
                        Ok(appended) => {
                            version = appended.version;
                            break;
                        }
                        // the same again tells what became of it
                        Err(AppendError::Unknown(_) | AppendError::Unavailable(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            assert_eq!(version, Version(2 * EACH));
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let [one, other] = stores;
    let whole = log(&*one).await;
    assert_eq!(whole.len() as u64, WRITERS * EACH * 2);
    assert_eq!(stored(&server) as u64, WRITERS * EACH * 2);
    assert_eq!(whole, log(&*other).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_waits_for_its_number_while_the_subscription_stands_still() {
    let server = server().await;
    let store = open(&server).await;
    server.faults().stall_subscriptions(true);
    let call = stream(1);
    let append = store.append(&call, Expected::NoStream, vec![event(1)]);
    let mut seen = server.faults().appends_seen();
    let release = async {
        seen.wait_for(|seen| *seen > 0).await.unwrap();
        server.faults().stall_subscriptions(false);
    };
    let (appended, ()) = tokio::join!(append, release);
    assert_eq!(appended.unwrap().first_position, Position(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_finds_a_follower_far_behind_goes_to_the_leader() {
    let server = cluster(3).await;
    server.stop_replication(1, true);
    let follower = server.socket(1).unwrap();
    let address = format!("kurrentdb://{follower}?tls=false&discoveryInterval=5");
    let store =
        adapters::event_store::KurrentEventStore::open_with(&address.parse().unwrap(), Default::default())
            .await;
    let store = store.unwrap();
    for n in 1..=5 {
        let appended = store.append(&stream(n), Expected::NoStream, vec![event(n)]).await.unwrap();
        assert_eq!(appended.first_position, Position(n));
        assert_eq!(store.head().await.unwrap(), Position(n));
        assert_eq!(log(&store).await.len() as u64, n);
    }
}

/// The client never gives way in a subscription that ended cleanly, and no task can end it. The test runs in a process
/// of its own, because the thread stays behind.
#[test]
fn a_subscription_that_the_server_ends_cleanly_is_replaced() {
    const INSIDE: &str = "VOXLEDGER_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        let name = "event_store::kurrent::outages::a_subscription_that_the_server_ends_cleanly_is_replaced";
        let own = std::env::current_exe().unwrap();
        let output =
            Command::new(own).args(["--exact", name, "--nocapture"]).env(INSIDE, "1").output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = server().await;
        let store = open(&server).await;
        store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
        server.faults().end_subscriptions();
        let appended = store.append(&stream(2), Expected::NoStream, vec![event(2)]).await.unwrap();
        assert_eq!(appended.first_position, Position(2));
        assert_eq!(log(&store).await.len(), 2);
    });
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_waits_for_what_this_node_has_not_numbered_yet() {
    let server = server().await;
    let (writer, audited) = (open(&server).await, EventLog::Kurrent(Arc::new(open(&server).await)));
    server.faults().stall_subscriptions(true);
    let of = stream(1);
    let append = writer.append(&of, Expected::NoStream, vec![event(1)]);
    let audit = async {
        while stored(&server) == 0 {
            tokio::task::yield_now().await;
        }
        let rows = audited.rows(Position::START, Position(1), 100);
        let flow = async { server.faults().stall_subscriptions(false) };
        // the rows are asked for first
        tokio::join!(rows, flow).0
    };
    let (appended, rows) = tokio::join!(append, audit);
    assert_eq!(appended.unwrap().last_position, Position(1));
    assert_eq!(rows.unwrap().len(), 1, "sealed by the other node, and no hole");
}
