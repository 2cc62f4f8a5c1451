//! A node's own replica of the log: its events, numbered, and their places in the database's log.
//!
//! Reads are served from it. It is a cache: all of it follows from `$all`, so it may be deleted, is made anew when it
//! does not fit the database, and several processes may fill the same file at once: they write the same rows.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{Position, Recorded, StreamId, Version};
use domain::ports::event_store::{Direction, ReadError};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tempfile::TempDir;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::super::resolve::Place;
use super::super::sqlite::{read, write};
use super::codec::Found;
use crate::database::{is_damaged, pool_options};

/// The layout of the tables, and the rule by which events are numbered. A file of another one is made anew.
const LAYOUT: &str = "2";
/// How long a statement waits for another process that fills the same file.
const BUSY: Duration = Duration::from_secs(5);
/// Connections for reads, besides the one that writes.
const READERS: u32 = 4;
/// The most events that one statement inserts.
pub(super) const MAX_ROWS: usize = 512;
/// Row counts of the prepared inserts. A batch takes the smallest that fits; rows left unbound are NULL and dropped.
const SIZES: [usize; 6] = [1, 4, 16, 64, 256, MAX_ROWS];

/// The table of the SQLite engine, whose reads are used, and one more column.
const EVENTS: &str = concat!(
    include_str!("../../../../migrations/sqlite/log/0001_events.up.sql"),
    "ALTER TABLE events ADD COLUMN commit_position INTEGER NOT NULL DEFAULT 0;
     CREATE TABLE about (layout TEXT NOT NULL) STRICT;"
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) position: Position,
    /// Its place in the database's log.
    pub(super) commit: u64,
    pub(super) id: Uuid,
}

#[derive(Debug)]
pub(super) struct Replica {
    write: Mutex<SqliteConnection>,
    reads: SqlitePool,
    inserts: Vec<(usize, Arc<str>)>,
    /// Where the file is when it need not outlive the process. Removed when dropped.
    _temporary: Option<TempDir>,
}

impl Replica {
    /// Opens the replica in a file, or in a temporary one. A damaged file is replaced. Fails when the file cannot be
    /// opened or made.
    pub(super) async fn open(path: Option<&Path>, prefix: &str) -> Result<Self, sqlx::Error> {
        let Some(path) = path else {
            let folder = TempDir::with_prefix("voxledger-replica-")?;
            let opened = Self::open_as_it_is(&folder.path().join("events.db"), prefix).await?;
            return Ok(Self { _temporary: Some(folder), ..opened });
        };
        match Self::open_as_it_is(path, prefix).await {
            Err(error) if is_damaged(&error) => {
                tracing::warn!(%error, "the replica of the log is damaged and is made anew");
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
                Self::open_as_it_is(path, prefix).await
            }
            opened => opened,
        }
    }

    async fn open_as_it_is(path: &Path, prefix: &str) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // a crash may take the newest rows, which the subscription delivers again
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let mut write = options.connect().await?;
        clear(&mut write, prefix, Clear::UnlessItFits).await?;
        let reads = pool_options(READERS, BUSY).connect_with(options).await?;
        let inserts = SIZES.iter().map(|&size| (size, insert(size))).collect();
        Ok(Self { write: Mutex::new(write), reads, inserts, _temporary: None })
    }

    /// Whether a file is a replica of the log under this prefix.
    pub(super) async fn fits(path: &Path, prefix: &str) -> bool {
        let found = async {
            let mut file = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
            sqlx::query_scalar::<_, String>("SELECT layout FROM about").fetch_one(&mut file).await
        };
        found.await.is_ok_and(|found| found == layout(prefix))
    }

    pub(super) async fn clear(&self, prefix: &str) -> Result<(), sqlx::Error> {
        clear(&mut *self.write.lock().await, prefix, Clear::Always).await
    }

    /// Up to `limit` events after a position.
    pub(super) async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        read::read_all(&self.reads, after, limit).await
    }

    /// Up to `limit` events of a stream, as [`EventStore::read_stream`](domain::ports::event_store::EventStore).
    pub(super) async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        read::read_stream(&self.reads, stream, from, direction, limit).await
    }

    /// The newest entry; `None` when there is none.
    pub(super) async fn newest(&self) -> Result<Option<Entry>, sqlx::Error> {
        let sql = "SELECT position, commit_position, id FROM events ORDER BY position DESC LIMIT 1";
        sqlx::query(sql).fetch_optional(&self.reads).await?.as_ref().map(entry).transpose()
    }

    /// Up to `limit` entries after a position.
    pub(super) async fn after(&self, after: Position, limit: usize) -> Result<Vec<Entry>, sqlx::Error> {
        let sql = "SELECT position, commit_position, id FROM events WHERE position > ? ORDER BY position LIMIT ? + 0";
        let query = sqlx::query(sql).bind(number(after.0)).bind(number(limit as u64));
        query.fetch_all(&self.reads).await?.iter().map(entry).collect()
    }

    /// The entry of an event, if it is numbered.
    pub(super) async fn find(&self, id: Uuid) -> Result<Option<Entry>, sqlx::Error> {
        let sql = "SELECT position, commit_position, id FROM events WHERE id = ?";
        let found = sqlx::query(sql).bind(id.hyphenated().to_string()).fetch_optional(&self.reads).await?;
        found.as_ref().map(entry).transpose()
    }

    /// The places of those of these ids that are numbered.
    pub(super) async fn places(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Place>, sqlx::Error> {
        if ids.is_empty() { Ok(HashMap::new()) } else { write::places(&self.reads, ids).await }
    }

    /// The newest versions of these streams, 0 for one without events.
    pub(super) async fn versions(
        &self,
        streams: &[StreamId],
    ) -> Result<HashMap<StreamId, Version>, sqlx::Error> {
        write::versions(&self.reads, streams).await
    }

    /// Adds events from position `first` on, in one transaction; at most [`MAX_ROWS`]. What another process added
    /// already stays. Fails when that is something else than these events.
    pub(super) async fn add(&self, first: Position, events: &[Found]) -> Result<(), sqlx::Error> {
        let Some(last) = events.last() else { return Ok(()) };
        let fitting = self.inserts.iter().find(|(size, _)| *size >= events.len());
        let sql = fitting.map_or_else(|| insert(events.len()), |(_, sql)| Arc::clone(sql));
        let mut arguments = SqliteArguments::default();
        let bound = (first.0..).zip(events).try_for_each(|(position, found)| {
            write::bind_event(&mut arguments, Position(position), found.event.version, &found.event)?;
            arguments.add(number(found.commit))
        });
        bound.map_err(sqlx::Error::Encode)?;
        let mut write = self.write.lock().await;
        if let Err(error) = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *write).await {
            // fails outside of a transaction, where there is nothing to take back
            let _ = write.execute("ROLLBACK").await;
            return Err(error);
        }
        // both ends: another process may have filled the file from another database, or emptied it
        let ends = "SELECT commit_position FROM events WHERE position = ? AND (position = ? OR EXISTS \
                    (SELECT 1 FROM events WHERE position = ?))";
        let stored: Option<i64> = sqlx::query_scalar(ends)
            .bind(number(first.0 + events.len() as u64 - 1))
            .bind(events.len() as i64)
            .bind(number(first.0 - 1))
            .fetch_optional(&mut *write)
            .await?;
        if stored.map(i64::unsigned_abs) != Some(last.commit) {
            return Err(sqlx::Error::Protocol("another process changed the replica".to_owned()));
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.reads.close().await;
        // the file is complete as of the last transaction
        let _ = self.write.lock().await.execute("PRAGMA optimize").await;
    }
}

fn layout(prefix: &str) -> String {
    format!("{LAYOUT} {prefix}")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clear {
    Always,
    UnlessItFits,
}

/// Makes the tables anew.
async fn clear(write: &mut SqliteConnection, prefix: &str, when: Clear) -> Result<(), sqlx::Error> {
    let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
    let has_layout = "SELECT count(*) FROM pragma_table_info('about') WHERE name = 'layout'";
    if when == Clear::UnlessItFits
        && sqlx::query_scalar::<_, i64>(has_layout).fetch_one(&mut *transaction).await? > 0
    {
        let found: Option<String> =
            sqlx::query_scalar("SELECT layout FROM about").fetch_optional(&mut *transaction).await?;
        if found == Some(layout(prefix)) {
            return Ok(());
        }
    }
    // tables of the layout before, too
    transaction
        .execute(
            "DROP TABLE IF EXISTS events; DROP TABLE IF EXISTS about; DROP TABLE IF EXISTS numbers; \
             DROP TABLE IF EXISTS streams;",
        )
        .await?;
    transaction.execute(EVENTS).await?;
    sqlx::query("INSERT INTO about VALUES (?)").bind(layout(prefix)).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// A transaction that inserts up to `size` events; the connection's thread runs it in one go.
fn insert(size: usize) -> Arc<str> {
    let row = format!("({})", ["?"; 11].join(","));
    let rows = vec![row; size].join(",");
    format!(
        "BEGIN IMMEDIATE; INSERT OR IGNORE INTO events (position, stream, version, id, type, schema, client_id, \
         payload, metadata, recorded_at, commit_position) \
         SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL; COMMIT"
    )
    .into()
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    let id = Uuid::try_parse(row.try_get(2)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Entry {
        position: Position(row.try_get::<i64, _>(0)?.unsigned_abs()),
        commit: row.try_get::<i64, _>(1)?.unsigned_abs(),
        id,
    })
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use domain::ids::ClientId;

    use super::*;

    const STREAMS: [u128; 2] = [0xa, 0xb];

    fn stream(of: usize) -> StreamId {
        StreamId::new("call", Uuid::from_u128(STREAMS[of]))
    }

    /// Events that take turns on two streams.
    fn events(range: std::ops::RangeInclusive<u64>) -> Vec<Found> {
        let event = |n: u64| Recorded {
            position: Position::START,
            stream: stream(n as usize % 2),
            version: Version(n.div_ceil(2)),
            id: Uuid::from_u128(n.into()),
            event_type: "call.noted".to_owned(),
            schema: 1,
            client_id: ClientId(Uuid::nil()),
            payload: vec![n as u8].into(),
            metadata: "{}".into(),
            recorded_at: Default::default(),
        };
        range.map(|n| Found { commit: 1_000 + 90 * n, event: event(n) }).collect()
    }

    fn recorded(range: std::ops::RangeInclusive<u64>) -> Vec<Recorded> {
        range.clone().zip(events(range)).map(|(n, found)| found.at(Position(n))).collect()
    }

    #[tokio::test]
    async fn what_was_added_is_read_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replica.db");
        let replica = Replica::open(Some(&path), "a.").await.unwrap();
        assert_eq!(replica.newest().await.unwrap(), None);
        replica.add(Position(1), &events(1..=3)).await.unwrap();
        replica.add(Position(4), &events(4..=5)).await.unwrap();
        replica.close().await;
        let replica = Replica::open(Some(&path), "a.").await.unwrap();
        let entry =
            |n: u64| Entry { position: Position(n), commit: 1_000 + 90 * n, id: Uuid::from_u128(n.into()) };
        assert_eq!(replica.newest().await.unwrap(), Some(entry(5)));
        assert_eq!(replica.after(Position(2), 2).await.unwrap(), [entry(3), entry(4)]);
        assert_eq!(replica.find(Uuid::from_u128(4)).await.unwrap(), Some(entry(4)));
        assert_eq!(replica.find(Uuid::from_u128(9)).await.unwrap(), None);
        assert_eq!(replica.read_all(Position(1), 3).await.unwrap(), recorded(2..=4));
        let second = replica.read_stream(&stream(1), Version(1), Direction::Forwards, 9).await.unwrap();
        assert_eq!(second, [recorded(3..=3), recorded(5..=5)].concat());
        let places = replica.places(&[Uuid::from_u128(4), Uuid::from_u128(9)]).await.unwrap();
        let place = Place { stream: stream(0), version: Version(2), position: Position(4) };
        assert_eq!(places, HashMap::from([(Uuid::from_u128(4), place)]));
        let unknown = StreamId::new("call", Uuid::nil());
        let versions = replica.versions(&[stream(0), stream(1), unknown.clone()]).await.unwrap();
        assert_eq!(versions[&stream(0)], Version(2));
        assert_eq!(versions[&stream(1)], Version(3));
        assert_eq!(versions[&unknown], Version::NONE);
        // another prefix numbers other events
        let replica = Replica::open(Some(&path), "b.").await.unwrap();
        assert_eq!(replica.newest().await.unwrap(), None);
    }

    #[tokio::test]
    async fn without_a_path_it_goes_with_the_process() {
        let replica = Replica::open(None, "a.").await.unwrap();
        replica.add(Position(1), &events(1..=2)).await.unwrap();
        assert_eq!(replica.read_all(Position(0), 9).await.unwrap(), recorded(1..=2));
        let folder = replica._temporary.as_ref().unwrap().path().to_owned();
        drop(replica);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn two_processes_fill_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replica.db");
        let one = Replica::open(Some(&path), "a.").await.unwrap();
        let other = Replica::open(Some(&path), "a.").await.unwrap();
        one.add(Position(1), &events(1..=3)).await.unwrap();
        other.add(Position(1), &events(1..=4)).await.unwrap();
        one.add(Position(4), &events(4..=5)).await.unwrap();
        assert_eq!(one.read_all(Position(0), 9).await.unwrap(), recorded(1..=5));
    }

    #[tokio::test]
    async fn rows_of_another_database_and_holes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replica.db");
        let one = Replica::open(Some(&path), "a.").await.unwrap();
        let other = Replica::open(Some(&path), "a.").await.unwrap();
        one.add(Position(1), &events(1..=2)).await.unwrap();
        let mut foreign = events(1..=2);
        foreign[1].commit += 1;
        assert!(other.add(Position(1), &foreign).await.is_err());
        other.clear("a.").await.unwrap();
        assert!(one.add(Position(3), &events(3..=4)).await.is_err(), "what came before is gone");
    }
}
