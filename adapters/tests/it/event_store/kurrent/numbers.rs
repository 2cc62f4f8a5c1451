//! Positions 1, 2, 3 … counted from `$all`: by every node alike, and never over a hole.

use std::path::Path;
use std::sync::Arc;

use adapters::event_store::{EventLog, KurrentAddress, KurrentEventStore, Target, WriterLimits};
use domain::envelope::{Position, Version};
use domain::ports::event_store::{
    AppendError, Direction, EventStore, Expected, LogTable, ReadError, Subscription,
};
use domain::testing::ids::sequential;
use fake_kurrentdb::{FakeKurrentDb, NewEvent};
use futures::future::join_all;

use super::super::{event, log, stream};
use super::{address, open, server};

fn in_folder(server: &FakeKurrentDb, folder: &Path) -> KurrentAddress {
    address(server).with_replica_in(folder)
}

async fn open_in(server: &FakeKurrentDb, folder: &Path) -> KurrentEventStore {
    KurrentEventStore::open_with(&in_folder(server, folder), WriterLimits::default()).await.unwrap()
}

/// An event that another program writes.
fn foreign(n: u64, event_type: &str, data: &str) -> NewEvent {
    NewEvent {
        id: sequential(1_000_000 + n),
        event_type: event_type.to_owned(),
        is_json: true,
        data: data.to_owned().into(),
        metadata: Default::default(),
    }
}

async fn fill(store: &dyn EventStore, events: std::ops::RangeInclusive<u64>) {
    for n in events {
        store.append(&stream(n % 5), Expected::Any, vec![event(n)]).await.unwrap();
    }
}

fn ours(n: u64) -> String {
    format!("voxledger.{}", stream(n))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_others_are_not_counted() {
    let server = server().await;
    let store = open(&server).await;
    for n in 1..=20 {
        server.write("orders-1", &[foreign(4 * n, "ordered", "{}"), foreign(4 * n + 1, "paid", "{}")]);
        server.write("$stats-1", &[foreign(4 * n + 2, "$stats", "{}")]);
        // what an operator may say about a stream of ours
        server.write(
            &format!("$${}", ours(n % 5)),
            &[foreign(4 * n + 3, "$metadata", r#"{"$acl":{"$r":"ops"}}"#)],
        );
        let appended = store.append(&stream(n % 5), Expected::Any, vec![event(n)]).await.unwrap();
        assert_eq!(appended.first_position, Position(n));
    }
    assert_eq!(log(&store).await.len(), 20);
    assert_eq!(log(&open(&server).await).await, log(&store).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_again_counts_on_and_one_without_an_index_counts_the_same() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&server, folder.path()).await;
    fill(&store, 1..=70).await;
    let before = log(&store).await;
    store.close().await;
    drop(store);
    fill(&open(&server).await, 71..=90).await;

    let store = open_in(&server, folder.path()).await;
    let after = log(&store).await;
    assert_eq!(after.len(), 90);
    assert_eq!(after[..70], before);
    let again = store.append(&stream(1), Expected::Any, vec![event(1)]).await.unwrap();
    assert_eq!((again.first_position, again.repeated), (Position(1), true));
    assert_eq!(log(&open(&server).await).await, after);
    for n in 0..5 {
        let read = store.read_stream(&stream(n), Version::NONE, Direction::Forwards, 100).await.unwrap();
        let wanted: Vec<_> = after.iter().filter(|event| event.stream == stream(n)).cloned().collect();
        assert_eq!(read, wanted, "a stream's positions come from the index");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_beside_the_node_shares_its_index_and_reads_the_database() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&server, folder.path()).await;
    fill(&store, 1..=40).await;
    let target: Target = server.address().parse().unwrap();
    let target = target.with_replica_in(folder.path());
    let auditor = EventLog::open_read_only(&target).await.unwrap();
    fill(&store, 41..=60).await;
    let rows: Vec<_> = auditor.rows(Position(10), Position(30), 100).await.unwrap();
    let wanted: Vec<_> = log(&store).await[10..30].iter().cloned().map(Ok).collect();
    assert_eq!(rows, wanted);
    assert_eq!(log(&*auditor.store()).await, log(&store).await);
    let refused = auditor.store().append(&stream(1), Expected::Any, vec![event(99)]).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    auditor.probe().await.unwrap();
    fill(&store, 61..=70).await;
    assert_eq!(auditor.store().head().await.unwrap(), Position(70));
}

/// Waits until the store refuses to go on; the reason.
async fn stops(store: &KurrentEventStore) -> ReadError {
    loop {
        match store.read_all(Position::START, 1).await {
            Ok(_) => store.wait_past(Position(u64::MAX)).await,
            Err(ReadError::Unavailable(_)) => {}
            Err(error) => return error,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_lets_the_database_forget_events_stops_the_node() {
    type Change = fn(&FakeKurrentDb);
    let changes: [(&str, Change); 6] = [
        ("$maxAge", |server| {
            server.write(&format!("$${}", ours(1)), &[foreign(1, "$metadata", r#"{"$maxAge":60}"#)]);
        }),
        ("$maxCount", |server| {
            server.write(&format!("$${}", ours(1)), &[foreign(1, "$metadata", r#"{"$maxCount":1}"#)]);
        }),
        ("$tb", |server| {
            server.write(&format!("$${}", ours(1)), &[foreign(1, "$metadata", r#"{"$tb":1}"#)]);
        }),
        ("deleted", |server| assert!(server.delete(&ours(1), false))),
        ("deleted for ever", |server| assert!(server.delete(&ours(1), true))),
        ("not of this log", |server| {
            server.write(&ours(1), &[foreign(1, "noted", "{}")]);
        }),
    ];
    for (why, change) in changes {
        let server = server().await;
        let store = open(&server).await;
        fill(&store, 1..=10).await;
        change(&server);
        let error = stops(&store).await;
        assert!(error.to_string().contains(why), "{why}: {error}");
        assert!(matches!(error, ReadError::Damaged { position: Position(11), .. }), "{error:?}");
        let refused = store.append(&stream(2), Expected::Any, vec![event(99)]).await;
        assert!(matches!(&refused, Err(AppendError::Unavailable(text)) if text.contains(why)), "{refused:?}");
        // nor does it start
        let again = KurrentEventStore::open_with(&address(&server), WriterLimits::default()).await;
        let again = again.map(drop).unwrap_err().to_string();
        assert!(again.contains(why), "{why}: {again}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scavenged_event_is_missed_by_who_counts_anew_and_by_who_audits() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&server, folder.path()).await;
    fill(&store, 1..=20).await;
    store.close().await;
    // cut while nobody looked, and the trace removed
    server.write(&format!("$${}", ours(1)), &[foreign(1, "$metadata", r#"{"$tb":2}"#)]);
    server.scavenge();
    server.write(&format!("$${}", ours(1)), &[foreign(2, "$metadata", "{}")]);
    server.scavenge();
    let anew = KurrentEventStore::open_with(&address(&server), WriterLimits::default()).await;
    let anew = anew.map(drop).unwrap_err().to_string();
    assert!(anew.contains("are missing"), "{anew}");
    // the replica still has it, and an audit of the database misses it
    let store = EventLog::Kurrent(Arc::new(open_in(&server, folder.path()).await));
    assert_eq!(store.store().read_all(Position::START, 100).await.unwrap().len(), 20);
    let rows = store.rows(Position::START, Position(20), 100).await.unwrap();
    assert_eq!(rows.len(), 20);
    let missing: Vec<_> = rows.into_iter().filter_map(Result::err).map(|gone| gone.position).collect();
    assert_eq!(missing, [Position(1), Position(6)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_database_in_its_place_is_noticed() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&server, folder.path()).await;
    fill(&store, 1..=10).await;
    server.replace_by_empty();
    let error = stops(&store).await;
    assert!(matches!(error, ReadError::Rewound { after: Position(10), .. }), "{error:?}");
    store.close().await;
    // a node that starts now has nothing to hold on to but the index, which is made anew: the other stores notice
    let store = open_in(&server, folder.path()).await;
    assert_eq!(store.head().await.unwrap(), Position::START);
    fill(&store, 21..=22).await;
    assert_eq!(log(&store).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_write_one_dense_log_and_count_alike() {
    let server = server().await;
    let nodes = [Arc::new(open(&server).await), Arc::new(open(&server).await)];
    let writers = (0..32).map(|writer| {
        let node = Arc::clone(&nodes[writer as usize % 2]);
        tokio::spawn(async move {
            for n in 0..10 {
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
    assert_eq!(whole.len(), 320);
    assert_eq!(whole, log(&*other).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_written_by_two_nodes_has_one_winner_a_version() {
    let server = server().await;
    let nodes = [Arc::new(open(&server).await), Arc::new(open(&server).await)];
    let racers = (0..8).map(|racer| {
        let node = Arc::clone(&nodes[racer as usize % 2]);
        tokio::spawn(async move {
            let (mut wins, mut version) = (Vec::new(), Version::NONE);
            for n in 0..10 {
                let batch = vec![event(racer * 100 + n + 1)];
                match node.append(&stream(1), Expected::Exact(version), batch).await {
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
async fn what_a_node_remembers_is_no_excuse_for_a_wrong_answer() {
    let server = server().await;
    let (one, other) = (open(&server).await, open(&server).await);
    one.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    other.append(&stream(1), Expected::Exact(Version(1)), vec![event(2)]).await.unwrap();
    // `one` may still believe in version 1
    let stale = one.append(&stream(1), Expected::Exact(Version(1)), vec![event(3)]).await;
    assert!(matches!(stale, Err(AppendError::Conflict { current: Version(2), .. })), "{stale:?}");
    other.append(&stream(1), Expected::Exact(Version(2)), vec![event(4)]).await.unwrap();
    // these very events stand elsewhere in the stream, written by the other node
    let twice = one.append(&stream(1), Expected::Exact(Version(3)), vec![event(4)]).await;
    assert!(matches!(twice, Err(AppendError::Conflict { current: Version(3), .. })), "{twice:?}");
    one.append(&stream(1), Expected::Exact(Version(3)), vec![event(5)]).await.unwrap();
    let again = one.append(&stream(1), Expected::Exact(Version(1)), vec![event(2)]).await.unwrap();
    assert_eq!((again.first_position, again.repeated), (Position(2), true), "written by the other node");
    let again = other.append(&stream(1), Expected::Any, vec![event(5)]).await.unwrap();
    assert_eq!((again.first_position, again.repeated), (Position(4), true), "written by the other node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_to_the_end_sees_what_another_node_has_acknowledged() {
    let server = server().await;
    let (one, other) = (open(&server).await, open(&server).await);
    for n in 1..=30 {
        let node = if n % 3 == 0 { &other } else { &one };
        node.append(&stream(n), Expected::NoStream, vec![event(n)]).await.unwrap();
        for reader in [&one, &other] {
            assert_eq!(reader.head().await.unwrap(), Position(n));
            let ids: Vec<_> = log(reader).await.iter().map(|event| event.id).collect();
            assert_eq!(ids, (1..=n).map(sequential).collect::<Vec<_>>());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_hears_of_another_node_while_its_subscription_is_cut_now_and_then() {
    let server = server().await;
    let (one, other) = (open(&server).await, Arc::new(open(&server).await));
    let mut subscription = Subscription::new(other, Position::START, 10);
    for n in 1..=6 {
        if n % 2 == 0 {
            server.faults().cut_subscriptions();
        }
        one.append(&stream(n), Expected::NoStream, vec![event(n)]).await.unwrap();
        let seen = subscription.next().await.unwrap();
        assert_eq!(seen.iter().map(|event| event.id).collect::<Vec<_>>(), [sequential(n)]);
    }
}

#[tokio::test]
async fn the_databases_own_tools_see_cause_and_effect_and_the_payload_as_it_is() {
    let server = server().await;
    let store = open(&server).await;
    let mut caused = event(1);
    caused.metadata.causation_id = Some(sequential(77));
    store.append(&stream(1), Expected::NoStream, vec![caused.clone()]).await.unwrap();
    let log = server.log();
    let record = log.record(&ours(1), 0).unwrap();
    assert_eq!((record.event.id, record.event.event_type.as_str()), (caused.id, "call.noted"));
    assert!(!record.event.is_json && record.event.data == caused.payload);
    let metadata: serde_json::Value = serde_json::from_slice(&record.event.metadata).unwrap();
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("$correlationId"), caused.metadata.correlation_id.to_string());
    assert_eq!(text("$causationId"), sequential(77).to_string());
    assert_eq!(text("client_id"), caused.client_id.0.to_string());
    assert_eq!(metadata["schema"], 1);
    assert_eq!(metadata["recorded_at"], caused.recorded_at.timestamp_micros());
}
