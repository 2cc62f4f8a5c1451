//! Brings a copied key store back to what it knew before its log was copied.
//!
//! A backup copies the keys after the log, so that every key of its events is there. Two things in them must not be
//! newer than the log, though: the log's head that is kept there (a log that ends before it counts as cut), and
//! answers to requests with an `Idempotency-Key` (a client that repeats one would get an answer about events that
//! the restored log does not hold). Such a request runs again instead, with the same ids, and finds by them what
//! the log already holds.

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Row as _};
use uuid::Uuid;

use crate::database::Database;
use crate::keys::KeysDb;
use crate::keys::on;

/// Label of the data key that authenticates the kept head.
const KEPT_HEAD: &str = "kept head";
/// The longest a request with an idempotency key may have been running, in microseconds: one hour,
/// far beyond any deadline.
const LONGEST_REQUEST: i64 = 3_600_000_000;

/// The row of the kept head, byte for byte; its MAC (`code`) proves that a key holder wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptHeadRow {
    pub log: Uuid,
    /// Number of events that the head covers.
    pub size: i64,
    /// Merkle root, in hexadecimal digits.
    pub root: String,
    /// MAC of the head, in hexadecimal digits.
    pub code: String,
    /// Microseconds since 1970 when the node stored the head.
    pub kept_at: i64,
}

/// State of the key store at a moment before the log was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysMark {
    /// Microseconds since 1970 when the store was read.
    pub at: i64,
    /// The kept head; `None` when there was none yet.
    pub kept_head: Option<KeptHeadRow>,
}

impl KeysMark {
    /// Reads the mark; fails when the keys cannot be read. `now` comes from the clock that dates idempotency keys.
    pub async fn read(keys: &Database, now: i64) -> Result<Self, sqlx::Error> {
        let db = plain(keys, true).await?;
        let kept = kept_head(&db).await;
        db.close().await;
        Ok(Self { at: now, kept_head: kept? })
    }

    /// Removes from a copy of the keys everything newer than this mark. Fails when the copy cannot be written.
    pub async fn apply(&self, copy: &Database) -> Result<(), sqlx::Error> {
        let db = plain(copy, false).await?;
        let applied = self.apply_to(&db).await;
        db.close().await;
        applied
    }

    async fn apply_to(&self, db: &KeysDb) -> Result<(), sqlx::Error> {
        const REOPEN: &str = "UPDATE idempotency_keys SET sealed_under = NULL, answer = NULL, locked_until = 0 \
                              WHERE created_at >= $1 AND answer IS NOT NULL";
        const SET: &str = "UPDATE kept_head SET log = $1, size = $2, root = $3, code = $4, kept_at = $5 \
                           WHERE size > $2";
        // a key without a head would say that the head was removed
        const FORGET_KEY: &str = "DELETE FROM data_keys WHERE owner = $1 AND label = $2";
        let knows_heads = has_kept_head(db).await?;
        on!(db, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(REOPEN).bind(self.at - LONGEST_REQUEST).execute(&mut *tx).await?;
            match &self.kept_head {
                _ if !knows_heads => {}
                Some(head) => {
                    sqlx::query(SET).bind(head.log).bind(head.size).bind(bytes(&head.root)?)
                        .bind(bytes(&head.code)?).bind(head.kept_at).execute(&mut *tx).await?;
                }
                None => {
                    sqlx::query("DELETE FROM kept_head").execute(&mut *tx).await?;
                    sqlx::query(FORGET_KEY).bind(Uuid::nil()).bind(KEPT_HEAD).execute(&mut *tx).await?;
                }
            }
            tx.commit().await
        })
    }
}

/// The ids of the master keys that wrap the data keys: one, or none in an empty store. Fails when the
/// store cannot be read.
pub async fn master_keys_of(keys: &Database) -> Result<Vec<String>, sqlx::Error> {
    // a rotation wraps all keys anew in one transaction, so the node's own keys stand for all
    const ALL: &str = "SELECT DISTINCT master_id FROM data_keys";
    let db = plain(keys, true).await?;
    let ids = on!(&db, pool => sqlx::query_scalar(ALL).fetch_all(pool).await);
    db.close().await;
    ids
}

/// Opens the key store as it is: changes no schema and creates no file.
async fn plain(keys: &Database, read_only: bool) -> Result<KeysDb, sqlx::Error> {
    match keys {
        Database::Sqlite(path) => {
            let options = SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(false)
                .read_only(read_only)
                .busy_timeout(std::time::Duration::from_secs(10))
                .pragma("secure_delete", "on")
                .pragma("synchronous", "full")
                .disable_statement_logging();
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options);
            Ok(KeysDb::Sqlite(pool.await?))
        }
        Database::Postgres(url) => {
            let options = url.options()?.disable_statement_logging().application_name("voxledger-backup");
            let pool = PgPoolOptions::new().max_connections(1).connect_with(options);
            Ok(KeysDb::Postgres(pool.await?))
        }
    }
}

async fn has_kept_head(db: &KeysDb) -> Result<bool, sqlx::Error> {
    match db {
        KeysDb::Sqlite(pool) => {
            sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'kept_head'")
                .fetch_one(pool)
                .await
        }
        KeysDb::Postgres(pool) => {
            sqlx::query_scalar("SELECT to_regclass('kept_head') IS NOT NULL").fetch_one(pool).await
        }
    }
}

async fn kept_head(db: &KeysDb) -> Result<Option<KeptHeadRow>, sqlx::Error> {
    const GET: &str = "SELECT log, size, root, code, kept_at FROM kept_head WHERE only_row = 1";
    if !has_kept_head(db).await? {
        return Ok(None);
    }
    on!(db, pool => {
        let row = sqlx::query(GET).fetch_optional(pool).await?;
        row.map(|row| {
            let (root, code): (Vec<u8>, Vec<u8>) = (row.try_get(2)?, row.try_get(3)?);
            Ok(KeptHeadRow {
                log: row.try_get(0)?,
                size: row.try_get(1)?,
                root: digits(&root),
                code: digits(&code),
                kept_at: row.try_get(4)?,
            })
        })
        .transpose()
    })
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &str) -> Result<Vec<u8>, sqlx::Error> {
    let bad = || sqlx::Error::Protocol("the kept head in the manifest cannot be read".to_owned());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(bad());
    }
    let pair =
        |pair: &[u8; 2]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    pairs.iter().map(|digits| pair(digits).ok_or_else(bad)).collect()
}
