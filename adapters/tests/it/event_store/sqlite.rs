//! SQLite: the suites, the lock, a full disk, and what auditors rely on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::database::{Database, MigrationError, Part, migrate_down, migrate_up, migration_status};
use adapters::event_store::{OpenError, SqliteEventStore, SqliteSettings};
use conformance::event_store::{Faults, Subject};
use domain::envelope::{Position, Version};
use domain::ports::event_store::{AppendError, EventStore, Expected, Subscription};
use domain::testing::ids::sequential;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Executor};
use tempfile::TempDir;

use super::{event, log, stream};

async fn fresh() -> Subject {
    let (folder, path) = place();
    let faults = Faults::default();
    let store = SqliteEventStore::open_with_faults(&path, faults.clone()).await.unwrap();
    Subject { store: Arc::new(store), faults, keep: Box::new(folder) }
}

conformance::event_store_suite!(super::fresh);
conformance::event_store_fault_suite!(super::fresh);

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("events.db");
    (folder, path)
}

async fn open(path: &Path) -> SqliteEventStore {
    SqliteEventStore::open(path, &SqliteSettings::default()).await.unwrap()
}

/// The file as any SQLite tool opens it.
async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_the_log_is_opened_again() {
    let (_folder, path) = place();
    let store = open(&path).await;
    for n in 1..=3 {
        store.append(&stream(1), Expected::Exact(Version(n - 1)), vec![event(n)]).await.unwrap();
    }
    let before = log(&store).await;
    store.close().await;
    let store = open(&path).await;
    assert_eq!(log(&store).await, before);
    let again = store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    assert!(again.repeated);
    let next = store.append(&stream(1), Expected::Exact(Version(3)), vec![event(4)]).await.unwrap();
    assert_eq!(next.first_position, Position(4));
}

#[tokio::test]
async fn a_second_writer_is_turned_away_while_readers_are_welcome() {
    let (_folder, path) = place();
    let store = open(&path).await;
    let second = SqliteEventStore::open(&path, &SqliteSettings::default()).await;
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");

    let link = path.with_file_name("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let second = SqliteEventStore::open(&link, &SqliteSettings::default()).await;
    assert!(matches!(second, Err(OpenError::InUse(_))), "under another name: {second:?}");

    let reader = SqliteEventStore::open_read_only(&path).await.unwrap();
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    assert_eq!(log(&reader).await, log(&store).await);
    assert_eq!(reader.head().await.unwrap(), Position(1));
    let refused = reader.append(&stream(1), Expected::Any, vec![event(2)]).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");

    store.close().await;
    open(&path).await;
}

#[tokio::test]
async fn a_reader_beside_the_writer_follows_it() {
    let (_folder, path) = place();
    let store = open(&path).await;
    let reader = Arc::new(SqliteEventStore::open_read_only(&path).await.unwrap());
    let mut subscription = Subscription::new(reader, Position::START, 10);
    let call = stream(1);
    let append = store.append(&call, Expected::NoStream, vec![event(1)]);
    let (seen, appended) = tokio::join!(subscription.next(), append);
    appended.unwrap();
    assert_eq!(seen.unwrap()[0].id, sequential(1));
}

#[tokio::test]
async fn a_full_disk_makes_the_log_unavailable_and_leaves_nothing_behind() {
    let (_folder, path) = place();
    let small = SqliteSettings { max_bytes: Some(256 << 10), ..SqliteSettings::default() };
    let store = SqliteEventStore::open(&path, &small).await.unwrap();
    let mut written = 0;
    let refused = loop {
        let batch = (0..4).map(|n| {
            let mut large = event(written + n + 1);
            large.payload = vec![7; 10_000];
            large
        });
        match store.append(&stream(written), Expected::NoStream, batch.collect()).await {
            Ok(appended) => written = appended.last_position.0,
            Err(error) => break error,
        }
        assert!(written < 100, "the file outgrew its limit");
    };
    assert!(matches!(refused, AppendError::Unavailable(_)), "{refused:?}");
    assert!(written > 0);
    assert_eq!(log(&store).await.len() as u64, written);
    let again = store.append(&stream(written), Expected::NoStream, vec![event(written + 1)]).await;
    match again {
        // what is small may still fit into the last page
        Ok(appended) => written = appended.last_position.0,
        Err(error) => assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}"),
    }
    store.close().await;

    let store = open(&path).await;
    assert_eq!(log(&store).await.len() as u64, written);
    let next = store.append(&stream(1_000), Expected::NoStream, vec![event(1_000)]).await.unwrap();
    assert_eq!(next.first_position, Position(written + 1));
}

#[tokio::test]
async fn a_file_locked_by_another_tool_is_unavailable_until_it_lets_go() {
    let (_folder, path) = place();
    let store = open(&path).await;
    let mut tool = raw(&path).await;
    tool.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = store.append(&stream(1), Expected::NoStream, vec![event(1)]).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    tool.execute("ROLLBACK").await.unwrap();
    let written = store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    assert_eq!((written.first_position, written.repeated), (Position(1), false));
}

#[tokio::test]
async fn rows_put_in_behind_the_writers_back_are_noticed() {
    let (_folder, path) = place();
    let store = open(&path).await;
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    let copy = "INSERT INTO events SELECT position + 1, stream, version + 1, ?, type, schema, client_id, payload, \
                metadata, recorded_at FROM events WHERE version = 1";
    sqlx::query(copy)
        .bind(sequential(2).hyphenated().to_string())
        .execute(&mut raw(&path).await)
        .await
        .unwrap();
    // the writer remembers version 1 and position 1; only the constraints tell it otherwise
    let stale = store.append(&stream(1), Expected::Exact(Version(1)), vec![event(3)]).await;
    assert!(matches!(stale, Err(AppendError::Conflict { current: Version(2), .. })), "{stale:?}");
    let next = store.append(&stream(1), Expected::Exact(Version(2)), vec![event(3)]).await.unwrap();
    assert_eq!(next.first_position, Position(3));
    assert_eq!(log(&store).await.len(), 3);
}

#[tokio::test]
async fn an_auditor_reads_the_log_with_plain_sql_and_cannot_change_it() {
    let (_folder, path) = place();
    let store = open(&path).await;
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    let mut tool = raw(&path).await;
    let row: (i64, String, i64, String, String, i64, String, Vec<u8>, String, i64) = sqlx::query_as(
        "SELECT position, stream, version, id, type, schema, client_id, payload, \
         metadata ->> 'correlation_id', recorded_at FROM events",
    )
    .fetch_one(&mut tool)
    .await
    .unwrap();
    let id = sequential(1).hyphenated().to_string();
    let client = "00000000-0000-0000-0000-000000000001".to_owned();
    let wanted = (
        (1, stream(1).to_string(), 1, id.clone(), "call.noted".to_owned(), 1),
        (client, 1_u64.to_be_bytes().to_vec(), id, 1_767_225_600_000_000),
    );
    assert_eq!(((row.0, row.1, row.2, row.3, row.4, row.5), (row.6, row.7, row.8, row.9)), wanted);
    for change in ["UPDATE events SET payload = x'00'", "DELETE FROM events"] {
        let refused = tool.execute(change).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn the_schema_goes_up_and_down_but_never_down_over_events() {
    let (_folder, path) = place();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let database = Database::Sqlite(path.clone());
    super::goes_up_and_down(&database).await;
    let store = open(&path).await;
    store.append(&stream(1), Expected::NoStream, vec![event(1)]).await.unwrap();
    let refused = migrate_down(&database, Part::Log, 1).await;
    assert!(matches!(refused, Err(MigrationError::NotEmpty { rows: 1, .. })), "{refused:?}");
    assert_eq!(log(&store).await.len(), 1);
    migrate_up(&database, Part::Log).await.unwrap();
    assert!(migration_status(&database, Part::Log).await.unwrap()[0].applied);
}
