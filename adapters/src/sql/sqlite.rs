//! An embedded database of views or the work store: one file, one writing connection, a few reading ones.
//!
//! The file is opened with `synchronous=NORMAL`: a commit is not flushed on its own, so a power cut may lose the
//! last ones. It loses rows and checkpoint together, whole transactions at a time, and the log, which is flushed,
//! still holds the events: the projections and the outbox derive the same rows again from their older checkpoint.
//! An effect that was performed meanwhile has its outcome in the log, too.
//!
//! The file is opened on first use, and created anew when it was removed or replaced, because it can be
//! derived from the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Executor, Row as _};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::log_id::ExpectedLog;
use super::tenant::Of;
use crate::database::{FileLost, OpenFile, Part, connection_survives, migrate_sqlite};
use crate::fairness::{Turn, Turns, TurnsLimits};

/// Reading connections, besides the one that writes. Reads are short and in memory, so more would only take turns.
const READERS: usize = 4;
/// Reads that may wait for a connection. Clients take turns.
const WAITING: usize = 4_096;
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a statement waits for a lock another process holds.
const BUSY: Duration = Duration::from_secs(5);
/// Pages of 4 KiB in the WAL before a commit also moves them into the database: 16 MiB.
const CHECKPOINT_PAGES: &str = "4096";
/// Size in bytes that the WAL is cut back to once a checkpoint has emptied it.
const WAL_KEPT: &str = "67108864";
/// Page cache of the writing connection in KiB (negative by SQLite's convention): the busy parts of the indexes.
const WRITER_CACHE: &str = "-8192";
/// Page cache of a reading connection in KiB.
const READER_CACHE: &str = "-2048";
/// How often emptying the journal is retried while a reader is in the way.
const CHECKPOINT_TRIES: u32 = 50;

#[derive(Debug, Clone)]
pub(crate) struct Sqlite {
    part: Part,
    path: Arc<PathBuf>,
    options: Arc<SqliteConnectOptions>,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    readers: Arc<Readers>,
    opened: Arc<Opened>,
    expected: ExpectedLog,
}

/// The file that the connections belong to.
#[derive(Debug, Default)]
struct Opened {
    file: Mutex<Option<OpenFile>>,
    /// Held by the task that migrates a file's schema.
    opening: tokio::sync::Mutex<()>,
    /// Counts opened files; connections to an earlier one are dropped.
    epoch: AtomicU64,
}

#[derive(Debug)]
struct Writer {
    /// `None` after a failure that leaves it in doubt; the next transaction connects again.
    connection: Option<SqliteConnection>,
    epoch: u64,
    /// Whether a transaction was begun and neither committed nor rolled back.
    unfinished: bool,
}

/// Reading connections. Not sqlx's pool, which sends every returned connection through an extra round trip; that
/// matters for reads of microseconds.
#[derive(Debug)]
struct Readers {
    options: SqliteConnectOptions,
    idle: Mutex<Vec<(u64, SqliteConnection)>>,
    turns: Arc<Turns<Of>>,
}

/// A reading connection; dropping it gives it back.
pub(crate) struct Reader {
    readers: Arc<Readers>,
    epoch: u64,
    connection: Option<SqliteConnection>,
    _turn: Turn<Of>,
}

/// The one writing connection, in a transaction.
pub(crate) struct SqliteTx {
    writer: OwnedMutexGuard<Writer>,
    opened: Arc<Opened>,
}

impl Opened {
    fn file(&self) -> Option<OpenFile> {
        self.file.lock().clone()
    }

    /// Whether the file that was opened is still in its place.
    fn check(&self) -> Result<bool, FileLost> {
        self.file.lock().as_ref().map_or(Ok(false), |file| file.check().map(|()| true))
    }
}

impl Sqlite {
    pub(crate) fn new(path: &Path, part: Part) -> Self {
        let common = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY)
            .statement_cache_capacity(256)
            .pragma("temp_store", "memory")
            .row_buffer_size(256)
            .disable_statement_logging();
        let options = common
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", WAL_KEPT)
            .pragma("cache_size", WRITER_CACHE);
        let reading = common.read_only(true).pragma("cache_size", READER_CACHE);
        let limits = TurnsLimits { at_once: READERS, waiting: WAITING, patience: PATIENCE };
        let turns = Arc::new(Turns::new(limits));
        let readers = Arc::new(Readers { options: reading, idle: Mutex::default(), turns });
        let writer = Writer { connection: None, epoch: 0, unfinished: false };
        Self {
            part,
            path: Arc::new(path.to_owned()),
            options: Arc::new(options),
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            readers,
            opened: Arc::default(),
            expected: ExpectedLog::default(),
        }
    }

    pub(crate) fn part(&self) -> Part {
        self.part
    }

    pub(crate) async fn follow_log(&self, log: Uuid) -> Result<(), sqlx::Error> {
        self.expected.set(log);
        // checks files again that were opened before the log was known
        *self.opened.file.lock() = None;
        self.ready().await.map(drop)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Ensures that the file exists with the newest schema, and returns the epoch of that file.
    pub(crate) async fn ready(&self) -> Result<u64, sqlx::Error> {
        if self.opened.check() == Ok(true) {
            return Ok(self.opened.epoch.load(Ordering::Acquire));
        }
        let _one = self.opened.opening.lock().await;
        match self.opened.check() {
            Ok(true) => return Ok(self.opened.epoch.load(Ordering::Acquire)),
            Ok(false) => {}
            Err(lost) => tracing::error!(
                error = %lost,
                "the store is made anew from the log; rows come back as it is read"
            ),
        }
        migrate_sqlite(&self.path, self.part)
            .await
            .map_err(|error| sqlx::Error::Configuration(error.into()))?;
        let file = OpenFile::at(&self.path)?;
        let mut connection = self.options.connect().await?;
        self.expected.check_sqlite(self.part, &mut connection).await?;
        let epoch = self.opened.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        *self.opened.file.lock() = Some(file);
        self.readers.idle.lock().clear();
        Ok(epoch)
    }

    pub(crate) async fn begin(&self) -> Result<SqliteTx, sqlx::Error> {
        let mut writer = self.writer.clone().lock_owned().await;
        let epoch = self.ready().await?;
        let known = writer.connection.take().filter(|_| writer.epoch == epoch);
        let mut connection = match known {
            Some(connection) => connection,
            None => {
                writer.unfinished = false;
                self.options.connect().await?
            }
        };
        if writer.unfinished {
            // fails outside of a transaction, where there is nothing to roll back
            let _ = connection.execute("ROLLBACK").await;
        }
        writer.unfinished = true;
        // takes the write lock at once: a transaction that begins by reading could not wait for it later
        connection.execute("BEGIN IMMEDIATE").await?;
        writer.connection = Some(connection);
        writer.epoch = epoch;
        Ok(SqliteTx { writer, opened: self.opened.clone() })
    }

    /// Rewrites the whole file, so that no deleted data is left between its rows, and empties the journal. Writers
    /// wait meanwhile; readers go on.
    pub(crate) async fn scrub(&self) -> Result<(), sqlx::Error> {
        let _nobody_writes = self.writer.clone().lock_owned().await;
        self.ready().await?;
        let mut connection = self.options.connect().await?;
        connection.execute("VACUUM").await?;
        empty_journal(&mut connection).await?;
        connection.close().await
    }

    pub(crate) async fn reader(&self, of: Of) -> Result<Reader, sqlx::Error> {
        let readers = self.readers.clone();
        let turn = readers.turns.take(&of, 1).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let epoch = self.ready().await?;
        let idle = readers.idle.lock().pop();
        let connection = match idle {
            Some((of, connection)) if of == epoch => connection,
            _ => readers.options.connect().await?,
        };
        Ok(Reader { readers, epoch, connection: Some(connection), _turn: turn })
    }

    /// Moves the journal into the file and closes the connections.
    pub(crate) async fn close(&self) {
        let mut writer = self.writer.lock().await;
        self.readers.idle.lock().clear();
        let Some(mut connection) = writer.connection.take() else { return };
        if writer.unfinished {
            let _ = connection.execute("ROLLBACK").await;
        }
        let closed = async {
            empty_journal(&mut connection).await?;
            connection.close().await
        };
        if let Err(error) = closed.await {
            tracing::warn!(path = %self.path.display(), %error, "the journal of the store was not emptied");
        }
    }
}

/// Moves what is in the journal into the file, and truncates the journal.
async fn empty_journal(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for _ in 0..CHECKPOINT_TRIES {
        let row = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        if row.try_get::<i64, _>(0)? == 0 {
            return Ok(());
        }
    }
    Err(sqlx::Error::Protocol("readers keep the journal from being emptied".to_owned()))
}

impl SqliteTx {
    pub(crate) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.writer.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Drops the connection if `error` leaves it in doubt.
    pub(crate) fn judge(&mut self, error: &sqlx::Error) {
        if !connection_survives(error) {
            self.writer.connection = None;
            self.writer.unfinished = false;
        }
    }

    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let committed = self.connection()?.execute("COMMIT").await;
        if let Err(error) = committed {
            self.judge(&error);
            return Err(error);
        }
        self.writer.unfinished = false;
        // rows written to a file that was removed or replaced do not count as written
        match self.opened.file() {
            Some(file) => Ok(file.check()?),
            None => Ok(()),
        }
    }
}

impl Reader {
    pub(crate) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Does not give the connection back if `error` leaves it in doubt.
    pub(crate) fn judge(&mut self, error: &sqlx::Error) {
        if !connection_survives(error) {
            self.connection = None;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle.lock().push((self.epoch, connection));
        }
    }
}
