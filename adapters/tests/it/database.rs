//! What stands behind every SQLite store: copies, stops, and errors in words.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use adapters::backup::{KeptHeadRow, KeysMark};
use adapters::database::{
    Database, Part, chain_in_words, copy_sqlite, in_words, migrate_sqlite, migration_status, newer_schema,
    settle,
};
use adapters::event_store::{SqliteEventStore, SqliteSettings};
use adapters::keys::KeysDb;
use adapters::seals::SealsDb;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use uuid::Uuid;

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

async fn with_rows(folder: &Path) -> PathBuf {
    let path = folder.join("events.db");
    migrate_sqlite(&path, Part::Log).await.unwrap();
    let mut database = open(&path).await;
    database.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, text TEXT) STRICT").await.unwrap();
    database
        .execute(
            "WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 20000) \
             INSERT INTO numbers SELECT n, hex(randomblob(20)) FROM up",
        )
        .await
        .unwrap();
    database.close().await.unwrap();
    path
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_one_whichever_page_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_rows(folder.path()).await;
    settle(&path).await.unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in pages / 2..pages / 2 + 40 {
        file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
    }
    let mut database = open(&path).await;
    let error = database.execute("SELECT sum(length(text)) FROM numbers WHERE text > ''").await.unwrap_err();
    assert!(in_words(&error).contains("is damaged"), "{}", in_words(&error));
    assert!(in_words(&error).contains("voxledger doctor"), "{}", in_words(&error));

    file.write_all_at(&[0xa5; 100], 0).unwrap();
    for error in [
        chain_in_words(&SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap_err()),
        chain_in_words(&KeysDb::open(&Database::Sqlite(path.clone())).await.unwrap_err()),
        chain_in_words(&SealsDb::open(&Database::Sqlite(path.clone())).await.unwrap_err()),
    ] {
        assert!(error.contains("not a database, or its beginning is damaged"), "{error}");
        assert!(!error.contains("code:"), "{error}");
    }
}

#[tokio::test]
async fn a_full_file_a_locked_one_and_one_that_may_not_be_written_are_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_rows(folder.path()).await;
    let mut database = open(&path).await;
    database.execute("PRAGMA max_page_count = 1").await.unwrap();
    let full = database.execute("INSERT INTO numbers (text) SELECT text || text FROM numbers").await;
    assert!(in_words(&full.unwrap_err()).starts_with("the disk is full"));

    let mut first = open(&path).await;
    first.execute("BEGIN IMMEDIATE").await.unwrap();
    let second = SqliteConnectOptions::new().filename(&path).busy_timeout(std::time::Duration::ZERO);
    let mut second = second.connect().await.unwrap();
    let locked = in_words(&second.execute("BEGIN IMMEDIATE").await.unwrap_err());
    assert!(locked.contains("locked by another process"), "{locked}");

    // and whoever would make the schema names the process
    first.execute("COMMIT").await.unwrap();
    first.execute("DROP TABLE _voxledger_log_migrations; BEGIN IMMEDIATE").await.unwrap();
    let named = chain_in_words(&migrate_sqlite(&path, Part::Log).await.unwrap_err());
    let ours = format!("events.db is locked by process {}", std::process::id());
    assert!(named.contains(&ours), "{named}");

    let mut reader = SqliteConnectOptions::new().filename(&path).read_only(true).connect().await.unwrap();
    let refused = in_words(&reader.execute("DELETE FROM numbers").await.unwrap_err());
    assert!(refused.contains("may not be written"), "{refused}");

    let nowhere = SqliteConnectOptions::new().filename(folder.path().join("none/x.db")).connect().await;
    assert!(in_words(&nowhere.unwrap_err()).contains("cannot be opened"));
}

#[tokio::test]
async fn a_newer_schema_names_the_version_that_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    migrate_sqlite(&path, Part::Keys).await.unwrap();
    let database = Database::Sqlite(path.clone());
    let known = migration_status(&database, Part::Keys).await.unwrap();
    assert!(newer_schema(&known).is_none());
    assert!(known.iter().all(|step| step.by.as_deref() == Some(env!("CARGO_PKG_VERSION"))), "{known:?}");
    let newer = async |step: i64, description: &str| {
        let mut keys = open(&path).await;
        let add = "INSERT INTO _voxledger_keys_migrations (version, description, success, checksum, execution_time) \
                   VALUES ($1, $2, true, x'00', 1)";
        sqlx::query(add).bind(step).bind(description.to_owned()).execute(&mut keys).await.unwrap();
        keys.close().await.unwrap();
        chain_in_words(&KeysDb::open(&database).await.unwrap_err())
    };
    let unnamed = newer(900, "who knows").await;
    assert!(unnamed.contains("the schema is newer") && unnamed.contains("it has step 900"), "{unnamed}");
    let named = newer(901, "more keys, by 9.8.7").await;
    assert!(named.contains("use version >= 9.8.7"), "{named}");
    let status = migration_status(&database, Part::Keys).await.unwrap();
    assert!(newer_schema(&status).unwrap().contains("9.8.7"));
}

#[tokio::test]
async fn a_copy_is_as_of_one_moment_private_and_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_rows(folder.path()).await;
    let mut writer = open(&path).await;
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    writer.execute("DELETE FROM numbers").await.unwrap();
    let copy = folder.path().join("copy.db");
    copy_sqlite(&path, &copy).await.unwrap();
    writer.execute("COMMIT").await.unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let mut copied = open(&copy).await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM numbers").fetch_one(&mut copied).await.unwrap();
    assert_eq!(rows, 20_000, "what is not committed is not in it");
    assert!(copy_sqlite(&path, &copy).await.unwrap_err().to_string().contains("cannot write"));
    assert!(!folder.path().join("copy.db-wal").exists());
}

#[tokio::test]
async fn a_settled_file_holds_everything_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_rows(folder.path()).await;
    // a reader that is open to the end keeps the last writer from doing it
    let mut reader = SqliteConnectOptions::new().filename(&path).read_only(true).connect().await.unwrap();
    reader.execute("SELECT count(*) FROM numbers").await.unwrap();
    let mut writer = open(&path).await;
    writer.execute("PRAGMA wal_autocheckpoint = 0; DELETE FROM numbers WHERE n > 7").await.unwrap();
    writer.close().await.unwrap();
    let wal = folder.path().join("events.db-wal");
    assert!(fs::metadata(&wal).unwrap().len() > 0);
    assert!(settle(&path).await.unwrap());
    assert_eq!(fs::metadata(&wal).map_or(0, |wal| wal.len()), 0);
    let alone = folder.path().join("alone.db");
    fs::copy(&path, &alone).unwrap();
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM numbers").fetch_one(&mut open(&alone).await).await.unwrap();
    assert_eq!(rows, 7);
    drop(reader);
    assert!(settle(&folder.path().join("none.db")).await.unwrap());
    assert!(!folder.path().join("none.db").exists());
}

const NOW: i64 = 1_780_000_000_000_000;

async fn keys_with_head(path: &Path) -> SqliteConnection {
    migrate_sqlite(path, Part::Keys).await.unwrap();
    let mut keys = open(path).await;
    keys.execute(
        "CREATE TABLE IF NOT EXISTS kept_head (only_row INTEGER PRIMARY KEY, log BLOB NOT NULL, size INTEGER NOT NULL, \
         root BLOB NOT NULL, code BLOB NOT NULL, kept_at INTEGER NOT NULL) STRICT",
    )
    .await
    .unwrap();
    keys
}

async fn keep(keys: &mut SqliteConnection, size: i64) {
    let set = "INSERT INTO kept_head VALUES (1, $1, $2, x'aabb', x'cc', $2) \
               ON CONFLICT (only_row) DO UPDATE SET size = excluded.size, kept_at = excluded.kept_at";
    sqlx::query(set).bind(Uuid::from_u128(7)).bind(size).execute(keys).await.unwrap();
}

async fn answer(keys: &mut SqliteConnection, key: u8, created_at: i64) {
    let add = "INSERT INTO idempotency_keys VALUES (x'01', $1, x'02', x'03', 99, x'04', x'05', $2, $2, NULL)";
    sqlx::query(add).bind(vec![key]).bind(created_at).execute(keys).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_the_keys_is_taken_back_to_what_was_known_before_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let database = Database::Sqlite(path.clone());
    let mut keys = keys_with_head(&path).await;
    keep(&mut keys, 10).await;
    let mark = KeysMark::read(&database, NOW).await.unwrap();
    assert_eq!(
        mark.kept_head.as_ref().map(|head: &KeptHeadRow| (head.size, &*head.root)),
        Some((10, "aabb"))
    );
    // the node goes on
    keep(&mut keys, 25).await;
    answer(&mut keys, 1, NOW - 7_200_000_000).await;
    answer(&mut keys, 2, NOW + 5).await;
    let copy = folder.path().join("copy.db");
    copy_sqlite(&path, &copy).await.unwrap();
    mark.apply(&Database::Sqlite(copy.clone())).await.unwrap();
    let mut copied = open(&copy).await;
    let size: i64 = sqlx::query_scalar("SELECT size FROM kept_head").fetch_one(&mut copied).await.unwrap();
    assert_eq!(size, 10, "the kept head is not beyond the log");
    let answered: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT key_hash FROM idempotency_keys WHERE answer IS NOT NULL")
            .fetch_all(&mut copied)
            .await
            .unwrap();
    assert_eq!(answered, [vec![1]], "what was answered since is done again, with the same ids");
    let locked: i64 =
        sqlx::query_scalar("SELECT max(locked_until) FROM idempotency_keys WHERE answer IS NULL")
            .fetch_one(&mut copied)
            .await
            .unwrap();
    assert_eq!(locked, 0, "and not kept waiting");
}

#[tokio::test]
async fn where_no_head_was_kept_none_is_in_the_copy_nor_the_key_that_tells_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let mut keys = keys_with_head(&path).await;
    let mark = KeysMark::read(&Database::Sqlite(path.clone()), NOW).await.unwrap();
    assert_eq!(mark.kept_head, None);
    keep(&mut keys, 3).await;
    let add = "INSERT INTO data_keys VALUES ($1, $2, $3, 'm', x'00', 1)";
    for (id, label) in [(1, "kept head"), (2, "tokens")] {
        let query = sqlx::query(add).bind(Uuid::from_u128(id)).bind(Uuid::nil()).bind(label);
        query.execute(&mut keys).await.unwrap();
    }
    mark.apply(&Database::Sqlite(path.clone())).await.unwrap();
    let left = async |keys: &mut SqliteConnection, table: &str| -> i64 {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(count).fetch_one(keys).await.unwrap()
    };
    assert_eq!(left(&mut keys, "kept_head").await, 0);
    assert_eq!(left(&mut keys, "data_keys").await, 1);
}
