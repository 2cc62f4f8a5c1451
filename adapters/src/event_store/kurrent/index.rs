//! A node's own index of the log: number, place and id of each event, and how far each stream has come.
//!
//! It is a cache. All of it follows from `$all`, so it may be deleted, is made anew when it does not fit the
//! database, and several processes may fill the same file at once: they write the same rows.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::Position;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::database::{is_damaged, pool_options};

/// The layout of the tables, and the rule by which events are numbered. A file of another one is made anew.
const LAYOUT: &str = "1";
/// How long a statement waits for another process that fills the same file.
const BUSY: Duration = Duration::from_secs(5);
/// Connections for look-ups, besides the one that writes.
const READERS: u32 = 4;
/// The most rows that one statement inserts.
pub(super) const MAX_ROWS: usize = 512;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS numbers (
        position INTEGER PRIMARY KEY, commit_position INTEGER NOT NULL, id BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS numbers_by_id ON numbers (id);
    CREATE TABLE IF NOT EXISTS streams (name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) position: Position,
    /// Its place in the database's log.
    pub(super) commit: u64,
    pub(super) id: Uuid,
}

#[derive(Debug)]
pub(super) struct Index {
    write: Mutex<SqliteConnection>,
    /// `None`: the index is in memory, where there is one connection only.
    reads: Option<sqlx::SqlitePool>,
}

impl Index {
    /// Opens the index in a file, or makes one in memory. A damaged file is replaced. Fails when the file
    /// cannot be opened or made.
    pub(super) async fn open(path: Option<&Path>, prefix: &str) -> Result<Self, sqlx::Error> {
        match (Self::open_as_it_is(path, prefix).await, path) {
            (Err(error), Some(path)) if is_damaged(&error) => {
                tracing::warn!(%error, "the index of the log is damaged and is made anew");
                for end in ["", "-wal", "-shm"] {
                    let mut file = path.as_os_str().to_owned();
                    file.push(end);
                    match std::fs::remove_file(&file) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(error.into());
                        }
                        _ => {}
                    }
                }
                Self::open_as_it_is(Some(path), prefix).await
            }
            (opened, _) => opened,
        }
    }

    async fn open_as_it_is(path: Option<&Path>, prefix: &str) -> Result<Self, sqlx::Error> {
        let options = match path {
            Some(path) => SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(BUSY),
            None => SqliteConnectOptions::new().in_memory(true),
        };
        let options = options.disable_statement_logging();
        let mut write = options.connect().await?;
        write.execute(SCHEMA).await?;
        let found: Option<String> = sqlx::query_scalar("SELECT value FROM about WHERE key = 'layout'")
            .fetch_optional(&mut write)
            .await?;
        if found.as_deref() != Some(&layout(prefix)) {
            clear(&mut write, prefix).await?;
        }
        let reads = match path {
            Some(_) => Some(pool_options(READERS, BUSY).connect_with(options).await?),
            None => None,
        };
        Ok(Self { write: Mutex::new(write), reads })
    }

    pub(super) async fn clear(&self, prefix: &str) -> Result<(), sqlx::Error> {
        clear(&mut *self.write.lock().await, prefix).await
    }

    async fn rows(
        &self,
        sql: &'static str,
        arguments: SqliteArguments,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let query = sqlx::query_with(sql, arguments);
        match &self.reads {
            Some(reads) => query.fetch_all(reads).await,
            None => query.fetch_all(&mut *self.write.lock().await).await,
        }
    }

    /// The newest entry; `None` when there is none.
    pub(super) async fn newest(&self) -> Result<Option<Entry>, sqlx::Error> {
        let sql = "SELECT position, commit_position, id FROM numbers ORDER BY position DESC LIMIT 1";
        self.rows(sql, SqliteArguments::default()).await?.first().map(entry).transpose()
    }

    /// Up to `limit` entries after a position.
    pub(super) async fn after(&self, after: Position, limit: usize) -> Result<Vec<Entry>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        arguments.add(number(after.0)).map_err(sqlx::Error::Encode)?;
        arguments.add(number(limit as u64)).map_err(sqlx::Error::Encode)?;
        let sql =
            "SELECT position, commit_position, id FROM numbers WHERE position > ? ORDER BY position LIMIT ?";
        self.rows(sql, arguments).await?.iter().map(entry).collect()
    }

    /// The entries of these ids.
    pub(super) async fn find(&self, ids: &[Uuid]) -> Result<Vec<Entry>, sqlx::Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let hex: Vec<_> = ids.iter().map(Uuid::as_simple).map(|id| id.to_string()).collect();
        let mut arguments = SqliteArguments::default();
        arguments.add(sqlx::types::Json(hex)).map_err(sqlx::Error::Encode)?;
        let sql = "SELECT position, commit_position, id FROM numbers \
                   WHERE id IN (SELECT unhex(value) FROM json_each(?))";
        self.rows(sql, arguments).await?.iter().map(entry).collect()
    }

    /// The newest revisions of those of these streams that have events.
    pub(super) async fn revisions(&self, streams: &[&str]) -> Result<Vec<(String, u64)>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        arguments.add(sqlx::types::Json(streams)).map_err(sqlx::Error::Encode)?;
        let sql = "SELECT name, revision FROM streams WHERE name IN (SELECT value FROM json_each(?))";
        let read = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?.unsigned_abs()));
        self.rows(sql, arguments).await?.iter().map(read).collect()
    }

    /// Adds entries and the revisions their streams have now, in one transaction. What another process added
    /// already stays. Fails when that is something else than these entries.
    pub(super) async fn add(&self, entries: &[Entry], streams: &[(&str, u64)]) -> Result<(), sqlx::Error> {
        let (Some(last), false) = (entries.last(), streams.is_empty()) else { return Ok(()) };
        let sql = insert(entries.len(), streams.len());
        let mut arguments = SqliteArguments::default();
        let bound = (|| {
            for entry in entries {
                arguments.add(number(entry.position.0))?;
                arguments.add(number(entry.commit))?;
                arguments.add(entry.id.as_bytes().as_slice())?;
            }
            for (name, revision) in streams {
                arguments.add(*name)?;
                arguments.add(number(*revision))?;
            }
            Ok(())
        })();
        bound.map_err(sqlx::Error::Encode)?;
        let mut write = self.write.lock().await;
        if let Err(error) = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *write).await {
            // fails outside of a transaction, where there is nothing to take back
            let _ = write.execute("ROLLBACK").await;
            return Err(error);
        }
        let stored: i64 = sqlx::query_scalar("SELECT commit_position FROM numbers WHERE position = ?")
            .bind(number(last.position.0))
            .fetch_one(&mut *write)
            .await?;
        if stored.unsigned_abs() != last.commit {
            return Err(sqlx::Error::Protocol("the index was filled from another database".to_owned()));
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        if let Some(reads) = &self.reads {
            reads.close().await;
        }
        // the file is complete as of the last transaction
        let _ = self.write.lock().await.execute("PRAGMA optimize").await;
    }
}

fn layout(prefix: &str) -> String {
    format!("{LAYOUT} {prefix}")
}

async fn clear(write: &mut SqliteConnection, prefix: &str) -> Result<(), sqlx::Error> {
    let mut transaction = write.begin().await?;
    transaction.execute("DELETE FROM numbers; DELETE FROM streams; DELETE FROM about").await?;
    let insert = sqlx::query("INSERT INTO about VALUES ('layout', ?)").bind(layout(prefix));
    insert.execute(&mut *transaction).await?;
    transaction.commit().await
}

/// A transaction that the connection's thread runs in one go.
fn insert(entries: usize, streams: usize) -> Arc<str> {
    let rows = |row: &str, count: usize| vec![row; count].join(",");
    let mut sql = String::from("BEGIN IMMEDIATE; INSERT OR IGNORE INTO numbers VALUES ");
    // writing to a String cannot fail
    let _ = write!(
        sql,
        "{}; INSERT INTO streams VALUES {} ON CONFLICT (name) DO UPDATE SET revision = \
         max(revision, excluded.revision); COMMIT",
        rows("(?,?,?)", entries),
        rows("(?,?)", streams)
    );
    sql.into()
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    let id: Vec<u8> = row.try_get(2)?;
    Ok(Entry {
        position: Position(row.try_get::<i64, _>(0)?.unsigned_abs()),
        commit: row.try_get::<i64, _>(1)?.unsigned_abs(),
        id: Uuid::from_slice(&id).map_err(|error| sqlx::Error::Decode(error.into()))?,
    })
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(range: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
        let entry =
            |n| Entry { position: Position(n), commit: 1_000 + 90 * n, id: Uuid::from_u128(n.into()) };
        range.map(entry).collect()
    }

    #[tokio::test]
    async fn what_was_added_is_found_by_number_and_by_id_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.db");
        let index = Index::open(Some(&path), "a.").await.unwrap();
        assert_eq!(index.newest().await.unwrap(), None);
        index.add(&entries(1..=3), &[("s", 1), ("t", 0)]).await.unwrap();
        index.add(&entries(4..=5), &[("s", 3)]).await.unwrap();
        index.close().await;
        let index = Index::open(Some(&path), "a.").await.unwrap();
        assert_eq!(index.newest().await.unwrap(), entries(5..=5).pop());
        assert_eq!(index.after(Position(2), 2).await.unwrap(), entries(3..=4));
        assert_eq!(index.find(&[Uuid::from_u128(4), Uuid::from_u128(9)]).await.unwrap(), entries(4..=4));
        let mut revisions = index.revisions(&["s", "t", "u"]).await.unwrap();
        revisions.sort();
        assert_eq!(revisions, [("s".to_owned(), 3), ("t".to_owned(), 0)]);
        // another prefix numbers other events
        let index = Index::open(Some(&path), "b.").await.unwrap();
        assert_eq!(index.newest().await.unwrap(), None);
    }

    #[tokio::test]
    async fn two_processes_fill_one_file_and_rows_of_another_database_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.db");
        let one = Index::open(Some(&path), "a.").await.unwrap();
        let other = Index::open(Some(&path), "a.").await.unwrap();
        one.add(&entries(1..=3), &[("s", 2)]).await.unwrap();
        other.add(&entries(1..=4), &[("s", 3)]).await.unwrap();
        one.add(&entries(4..=5), &[("s", 4)]).await.unwrap();
        assert_eq!(one.after(Position(0), 9).await.unwrap(), entries(1..=5));
        let mut foreign = entries(6..=6);
        one.add(&foreign, &[("s", 5)]).await.unwrap();
        foreign[0].commit += 1;
        assert!(other.add(&foreign, &[("s", 5)]).await.is_err());
    }
}
