//! The key store, moved with the log.

use std::path::Path;
use std::sync::Arc;

use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::ids::RandomIds;
use adapters::keys::{CopyKeysError, KeyVault, KeysDb, MasterKey, copy_keys};
use adapters::testing::postgres::Cluster;
use domain::ids::ClientId;
use domain::ports::vault::Vault as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use uuid::Uuid;

const OWNER: ClientId = ClientId(Uuid::from_u128(1));
const LOG: Uuid = Uuid::from_u128(77);

/// Tables of a key store, but those of migrations and of limits that last an hour.
const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_voxledger%' ESCAPE '\\' \
                      AND name NOT IN ('limit_buckets', 'write_probe') AND name NOT LIKE 'sqlite%' ORDER BY name";

/// A row in each table that the vault does not fill, with and without what may be missing.
const ROWS: &str = "
    INSERT INTO subject_keys VALUES (x'00000000000000000000000000000001', x'00000000000000000000000000000002',
        x'00000000000000000000000000000003', 'm', x'abcd', 5, NULL);
    INSERT INTO subject_keys VALUES (x'00000000000000000000000000000004', x'00000000000000000000000000000002',
        x'00000000000000000000000000000003', 'm', NULL, 5, 6);
    INSERT INTO key_nodes VALUES (x'00000000000000000000000000000005', x'00000000000000000000000000000002', '0f', 'm', x'');
    INSERT INTO content_keys VALUES ('call-00000000-0000-0000-0000-000000000007', x'00000000000000000000000000000002', 8);
    INSERT INTO privacy_jobs VALUES (x'00000000000000000000000000000009', x'00000000000000000000000000000002', 9);
    INSERT INTO privacy_exports VALUES (x'00000000000000000000000000000009', x'00000000000000000000000000000002',
        x'00000000000000000000000000000001', x'0102', 10);
    INSERT INTO idempotency_keys VALUES (x'00000000000000000000000000000002', x'aa', x'bb',
        x'0000000000000000000000000000000a', 0, x'00000000000000000000000000000001', x'cc', 11, 12, NULL);
    INSERT INTO idempotency_keys VALUES (x'00000000000000000000000000000002', x'ab', x'bb',
        x'0000000000000000000000000000000a', 9223372036854775807, NULL, NULL, 11, 12, x'0000000000000000000000000000000b');
    INSERT INTO kept_head VALUES (1, x'0000000000000000000000000000004d', 3, x'dd', x'ee', 13);
";

async fn tool(path: &Path) -> sqlx::sqlite::SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

/// Every row of every table, as text.
async fn rows(path: &Path) -> Vec<String> {
    let mut tool = tool(path).await;
    let mut all = Vec::new();
    for table in sqlx::query_scalar::<_, String>(TABLES).fetch_all(&mut tool).await.unwrap() {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?) ORDER BY cid")
            .bind(&table)
            .fetch_all(&mut tool)
            .await
            .unwrap();
        let quoted =
            columns.iter().map(|name| format!("quote({name})")).collect::<Vec<_>>().join(" || ' ' || ");
        let sql = format!("SELECT '{table} ' || {quoted} FROM {table} ORDER BY 1");
        let found = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch_all(&mut tool).await.unwrap();
        assert!(!found.is_empty(), "{table} is empty");
        all.extend(found);
    }
    all
}

fn vault(db: &KeysDb) -> KeyVault {
    KeyVault::new(db.clone(), MasterKey::new([1; 32]), Arc::new(SystemClock), Arc::new(RandomIds))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_a_key_store_moves_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let [first, last] = ["first.db", "last.db"].map(|name| folder.path().join(name));
    let source = KeysDb::open(&Database::Sqlite(first.clone())).await.unwrap();
    let sealed = vault(&source).seal(OWNER, "provider:telephony", b"KEY123").await.unwrap();
    source.tie_to_log(LOG).await.unwrap();
    tool(&first).await.execute(ROWS).await.unwrap();
    // more rows than one insert takes
    let many = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000) \
                INSERT INTO subject_keys SELECT randomblob(16), randomblob(16), randomblob(16), 'm', randomblob(60), n, \
                NULL FROM n";
    tool(&first).await.execute(many).await.unwrap();
    let server = KeysDb::open(&Database::Postgres(Cluster::shared().database().await)).await.unwrap();
    let copied = copy_keys(&source, &server).await.unwrap();
    assert_eq!((copied.answers, copied.log), (2, Some(LOG)));
    assert!(copied.keys > 1_002, "{copied:?}");
    assert_eq!(vault(&server).open(OWNER, "provider:telephony", &sealed).await.unwrap(), b"KEY123");

    let back = KeysDb::open(&Database::Sqlite(last.clone())).await.unwrap();
    assert_eq!(copy_keys(&server, &back).await.unwrap(), copied);
    assert_eq!(rows(&last).await, rows(&first).await);

    let again = copy_keys(&source, &server).await;
    assert!(matches!(again, Err(CopyKeysError::NotEmpty("data_keys"))), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_without_keys_is_no_source_and_one_with_a_row_no_target() {
    let folder = tempfile::tempdir().unwrap();
    let at = async |name: &str| KeysDb::open(&Database::Sqlite(folder.path().join(name))).await.unwrap();
    let (empty, full, tied) = (at("empty.db").await, at("full.db").await, at("tied.db").await);
    assert!(matches!(copy_keys(&empty, &full).await, Err(CopyKeysError::Empty)));
    vault(&full).seal(OWNER, "a", b"b").await.unwrap();
    tied.tie_to_log(LOG).await.unwrap();
    assert!(matches!(copy_keys(&full, &tied).await, Err(CopyKeysError::NotEmpty("keys_log"))));
    assert!(tied.is_empty().await.unwrap(), "nothing was written");
}
