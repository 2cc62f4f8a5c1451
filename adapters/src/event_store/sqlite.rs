//! The embedded log: one SQLite file, one writer, no server.

mod copy;
mod lock;
pub(super) mod read;
pub(super) mod write;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::{NewEvent, Position, Recorded, StreamId, Version};
use domain::ports::event_store::{AppendError, Appended, Direction, EventStore, Expected, ReadError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

pub use self::copy::SqliteLogTarget;
use self::lock::WriteLock;
use self::write::Sqlite;
use super::OpenError;
use super::backend::{Backend as _, read_only, unreadable};
use super::tail::{SharedTail, Tail};
use super::writer::{Writer, WriterLimits};
use crate::database::{Part, migrate_sqlite, pool_options, probe_sqlite, rescue};
use crate::trace::{database, within};

/// Reading connections, besides the one that writes.
const READERS: u32 = 4;
/// How long a statement waits for a lock another process holds.
const BUSY: Duration = Duration::from_secs(2);
/// Polling interval of a reader in a process without the writer.
const POLL: Duration = Duration::from_millis(200);
/// The oldest library without the WAL-reset corruption bug (<https://www.sqlite.org/wal.html#walresetbug>).
const OLDEST_LIBRARY: (u32, u32, u32) = (3, 51, 3);

/// Limits that an operator may set.
#[derive(Debug, Clone, Default)]
pub struct SqliteSettings {
    /// The most bytes that the file may grow to; appends beyond answer `Unavailable`. `None`: as the disk allows.
    pub max_bytes: Option<u64>,
    /// Limits of the queue and of a batch.
    pub writer: WriterLimits,
}

/// The log in one SQLite file.
///
/// Durable: WAL with `synchronous=FULL` flushes each commit. A lock file beside the database keeps a second process
/// from writing; others may read it meanwhile, with this type or any SQLite tool.
#[derive(Debug)]
pub struct SqliteEventStore {
    reads: SqlitePool,
    tail: SharedTail,
    writer: Option<Writer>,
}

impl SqliteEventStore {
    /// Opens the log at `path` for writing, creating it and bringing its schema up to date as needed. The writer
    /// runs on the current tokio runtime. Fails with [`OpenError::InUse`] when another process writes it, and with
    /// others when it cannot be opened.
    pub async fn open(path: &Path, settings: &SqliteSettings) -> Result<Self, OpenError> {
        Self::start(path, settings, |backend, tail| Writer::start(backend, tail, settings.writer)).await
    }

    /// Opens a log that fails as `faults` says. Fails as [`SqliteEventStore::open`].
    #[cfg(feature = "testing")]
    pub async fn open_with_faults(
        path: &Path,
        faults: conformance::event_store::Faults,
    ) -> Result<Self, OpenError> {
        let start = |backend, tail| {
            let backend = super::fault_injecting::FaultInjectingStore::new(backend, faults);
            Writer::start(backend, tail, WriterLimits::default())
        };
        Self::start(path, &SqliteSettings::default(), start).await
    }

    async fn start(
        path: &Path,
        settings: &SqliteSettings,
        writer: impl FnOnce(Sqlite, SharedTail) -> Writer,
    ) -> Result<Self, OpenError> {
        let lock = WriteLock::take(path)?;
        migrate_sqlite(path, Part::Log).await?;
        let options = options(path).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let backend = Sqlite::open(options, settings, lock).await?;
        let tail = Arc::new(Tail::new(backend.head()));
        let reads = readers(path).await?;
        let writer = writer(backend, Arc::clone(&tail));
        Ok(Self { reads, tail, writer: Some(writer) })
    }

    /// Opens an existing log for reading only, also while another process writes it. Appends are refused as
    /// `Unavailable`. Fails when there is no log at `path`, or it cannot be read.
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let reads = readers(path).await?;
        Ok(Self { reads, tail: Arc::new(Tail::new(Position::START)), writer: None })
    }

    /// Rows as an auditor reads them; a row that is no event is reported and skipped.
    pub(super) async fn rows(
        &self,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Result<Recorded, super::Unreadable>>, ReadError> {
        read::rows(&self.reads, after, upto, limit).await
    }

    pub(super) async fn probe(&self) -> Result<(), sqlx::Error> {
        probe_sqlite(self.reads.connect_options().get_filename()).await
    }

    /// Copies the log as its open connections see it to a new file, even after the log's own file was removed.
    /// Fails when no connection is open any more, or the copy cannot be written.
    pub async fn rescue(&self, to: &Path) -> Result<(), sqlx::Error> {
        rescue(&self.reads, to).await
    }

    /// Writes the queued appends, then closes the file and releases the lock.
    pub async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.reads.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .pragma("temp_store", "memory")
        // fewer hand-overs between the connection's thread and the async runtime
        .row_buffer_size(512)
        .disable_statement_logging()
}

async fn readers(path: &Path) -> Result<SqlitePool, OpenError> {
    let reads = pool_options(READERS, BUSY)
        .test_before_acquire(false)
        .connect_with(options(path).read_only(true))
        .await?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&reads).await?;
    check_library(&version)?;
    Ok(reads)
}

/// The version of the SQLite library in this program. Fails when this version cannot be trusted with a log.
pub async fn sqlite_library() -> Result<String, OpenError> {
    let mut nowhere = SqliteConnectOptions::new().in_memory(true).connect().await?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut nowhere).await?;
    nowhere.close().await?;
    check_library(&version)?;
    Ok(version)
}

fn check_library(version: &str) -> Result<(), OpenError> {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let found = (next(), next(), next());
    if found >= OLDEST_LIBRARY {
        return Ok(());
    }
    let (major, minor, patch) = OLDEST_LIBRARY;
    Err(OpenError::Version(format!(
        "SQLite {version} can corrupt a log; build with {major}.{minor}.{patch} or newer"
    )))
}

#[async_trait]
impl EventStore for SqliteEventStore {
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        match &self.writer {
            Some(writer) => writer.append(stream, expected, events).await,
            None => Err(read_only()),
        }
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let span = database("sqlite", Part::Log.word(), "SELECT FROM events");
        within(span, read::read_stream(&self.reads, stream, from, direction, limit)).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        if self.writer.is_some() {
            if after >= self.tail.head() {
                return Ok(Vec::new());
            }
            if let Some(page) = self.tail.read(after, limit) {
                return Ok(page);
            }
        }
        read::read_all(&self.reads, after, limit).await
    }

    async fn head(&self) -> Result<Position, ReadError> {
        if self.writer.is_some() {
            return Ok(self.tail.head());
        }
        let head: i64 = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM events")
            .fetch_one(&self.reads)
            .await
            .map_err(|error| unreadable(&error))?;
        Ok(Position(head.unsigned_abs()))
    }

    async fn wait_past(&self, after: Position) {
        if self.writer.is_some() {
            self.tail.wait_past(after, Duration::from_secs(1)).await;
        } else {
            tokio::time::sleep(POLL).await;
        }
    }

    fn engine(&self) -> &'static str {
        Sqlite::ENGINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_can_corrupt_a_log_is_refused() {
        for bad in ["3.51.2", "3.50.9", "3.7.0", "2.99.99", "", "x"] {
            assert!(check_library(bad).is_err(), "{bad}");
        }
        for good in ["3.51.3", "3.52.0", "4.0.0", "3.51.10"] {
            assert!(check_library(good).is_ok(), "{good}");
        }
    }
}
