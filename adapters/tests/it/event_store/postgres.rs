//! PostgreSQL: the suites, durability, and what auditors rely on.

use std::sync::Arc;

use adapters::database::{Database, MigrationError, Part, SecretUrl, migrate_down};
use adapters::event_store::PostgresEventStore;
use adapters::testing::postgres::Cluster;
use conformance::event_store::{Faults, Subject};
use domain::ports::event_store::{AppendError, EventStore, Expected};
use domain::testing::ids::sequential;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Executor};

use super::{event, log, stream};

async fn fresh() -> Subject {
    let url = Cluster::shared().database().await;
    let faults = Faults::default();
    let store = PostgresEventStore::open_with_faults(&url, faults.clone()).await.unwrap();
    Subject { store: Arc::new(store), faults, keep: Box::new(()) }
}

conformance::event_store_suite!(super::fresh);
conformance::event_store_fault_suite!(super::fresh);

/// The database as any tool opens it.
pub(super) async fn raw(url: &SecretUrl) -> PgConnection {
    url.options().unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn an_acknowledged_append_is_flushed_whatever_the_servers_default() {
    // a server of its own, so that nobody else moves the write-ahead log
    let cluster = Cluster::start();
    let url = cluster.database().await;
    let mut tool = raw(&cluster.as_superuser(&url)).await;
    tool.execute("ALTER SYSTEM SET synchronous_commit = off").await.unwrap();
    tool.execute("ALTER SYSTEM SET wal_writer_delay = '10s'").await.unwrap();
    tool.execute("SELECT pg_reload_conf()").await.unwrap();
    let store = PostgresEventStore::open(&url).await.unwrap();
    let mut tool = raw(&url).await;
    let default: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut tool).await.unwrap();
    assert_eq!(default, "off");
    for n in 1..=20 {
        let before: String = sqlx::query_scalar("SELECT pg_current_wal_insert_lsn()::text")
            .fetch_one(&mut tool)
            .await
            .unwrap();
        store.append(&stream(n), Expected::NoStream, vec![event(n)]).await.unwrap();
        let flushed = "SELECT pg_current_wal_flush_lsn() > $1::pg_lsn";
        let flushed: bool = sqlx::query_scalar(flushed).bind(before).fetch_one(&mut tool).await.unwrap();
        assert!(flushed, "append {n} was acknowledged before it was on disk");
    }
}

#[tokio::test]
async fn a_commit_held_open_by_another_session_is_waited_for_and_never_skipped() {
    let url = Cluster::shared().database().await;
    let store = PostgresEventStore::open(&url).await.unwrap();
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    for (end, n) in [("COMMIT", 10), ("ROLLBACK", 20)] {
        let head = store.head().await.unwrap();
        let mut slow = raw(&url).await;
        slow.execute("BEGIN").await.unwrap();
        slow.execute("UPDATE log_head SET head = head + 1").await.unwrap();
        let copy = "INSERT INTO events SELECT $1, stream, version + $1, $2, type, schema, client_id, payload, \
                    metadata, recorded_at FROM events WHERE position = 1";
        let position = head.0 as i64 + 1;
        sqlx::query(copy).bind(position).bind(sequential(n)).execute(&mut slow).await.unwrap();

        let other = stream(n);
        let mut append = store.append(&other, Expected::NoStream, vec![event(n + 1)]);
        wait_until_blocked(&url, &mut append).await;
        assert_eq!(store.head().await.unwrap(), head);
        assert_eq!(log(&store).await.len() as u64, head.0);
        slow.execute(end).await.unwrap();
        let appended = append.await.unwrap();
        let before = if end == "COMMIT" { 2 } else { 1 };
        assert_eq!(appended.first_position, head.plus(before), "after {end}");
        assert_eq!(log(&store).await.len() as u64, head.0 + before);
    }
}

/// Drives `append` until a session of the database waits for a lock.
async fn wait_until_blocked(url: &SecretUrl, append: &mut (impl Future<Output: std::fmt::Debug> + Unpin)) {
    let mut tool = raw(url).await;
    let blocked = async {
        let ask = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(ask).fetch_one(&mut tool).await.unwrap() == 0 {}
    };
    tokio::select! {
        answer = append => panic!("it did not wait: {answer:?}"),
        () = blocked => {}
    }
}

#[tokio::test]
async fn a_lock_held_for_too_long_makes_the_log_unavailable_and_no_worse() {
    let url = Cluster::shared().database().await;
    let store = PostgresEventStore::open(&url).await.unwrap();
    let mut stuck = raw(&url).await;
    stuck.execute("BEGIN").await.unwrap();
    stuck.execute("UPDATE log_head SET head = head").await.unwrap();
    let refused = store.append(&stream(1), Expected::NoStream, vec![event(1)]).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    stuck.execute("ROLLBACK").await.unwrap();
    assert!(!store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap().repeated);
}

#[tokio::test]
async fn an_auditor_reads_the_log_with_plain_sql_and_cannot_change_it() {
    let url = Cluster::shared().database().await;
    let store = PostgresEventStore::open(&url).await.unwrap();
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    let mut tool = raw(&url).await;
    let row: (i64, String, i64, String, String, i32, String, Vec<u8>, String, String) = sqlx::query_as(
        "SELECT position, stream, version, id::text, type, schema, client_id::text, payload, \
         metadata::jsonb ->> 'correlation_id', (recorded_at AT TIME ZONE 'UTC')::text FROM events",
    )
    .fetch_one(&mut tool)
    .await
    .unwrap();
    let id = sequential(1).hyphenated().to_string();
    let client = "00000000-0000-0000-0000-000000000001".to_owned();
    let wanted = (
        (1, stream(1).to_string(), 1, id.clone(), "call.noted".to_owned(), 1),
        (client, 1_u64.to_be_bytes().to_vec(), id, "2026-01-01 00:00:00".to_owned()),
    );
    assert_eq!(((row.0, row.1, row.2, row.3, row.4, row.5), (row.6, row.7, row.8, row.9)), wanted);
    for change in ["UPDATE events SET payload = ''", "DELETE FROM events", "TRUNCATE events"] {
        let refused = tool.execute(change).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn the_schema_goes_up_and_down_but_never_down_over_events() {
    let url = Cluster::shared().database().await;
    let database = Database::Postgres(url.clone());
    super::goes_up_and_down(&database).await;
    let store = PostgresEventStore::open(&url).await.unwrap();
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    let refused = migrate_down(&database, Part::Log, 1).await;
    assert!(matches!(refused, Err(MigrationError::NotEmpty { rows: 1, .. })), "{refused:?}");
    assert_eq!(log(&store).await.len(), 1);
}
