//! The embedded database of the views: one file, one writing connection, a few reading ones.
//!
//! The file is opened with `synchronous=NORMAL`: a commit is not flushed on its own, so a power cut may take the
//! last ones back. It takes rows and checkpoint back together, whole transactions at a time, and the log, which
//! is flushed, still holds the events: the projections and the outbox come to the same rows again from their
//! older checkpoint. An effect that was performed meanwhile has its outcome in the log, too.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Executor, Row as _};
use tokio::sync::OwnedMutexGuard;

use super::OpenViewsError;
use super::blind::Blind;
use super::db::{Db, SqlViews};
use super::rows::Statements;
use super::sql::Dialect;
use super::tenant::Of;
use crate::database::{Part, migrate_sqlite};
use crate::fairness::{Turn, Turns, TurnsLimits};

/// Connections that read, besides the one that writes. Reads are short and in memory: more would only take turns.
const READERS: usize = 4;
/// Reads that may wait for a connection, and for how long. Clients take turns.
const WAITING: usize = 4_096;
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a statement waits for a lock another process holds.
const BUSY: Duration = Duration::from_secs(5);
/// Pages of 4 KiB in the WAL before a commit also moves them into the database: 16 MiB.
const CHECKPOINT_PAGES: &str = "4096";
/// The WAL is cut back to this many bytes once a checkpoint has emptied it.
const WAL_KEPT: &str = "67108864";
/// Page cache of the writing connection in KiB (negative by SQLite's convention): the busy parts of the indexes.
const WRITER_CACHE: &str = "-8192";
/// Page cache of a reading connection in KiB.
const READER_CACHE: &str = "-2048";

impl SqlViews {
    /// Opens the views in the file at `path`, creating it and bringing its schema up to date as needed. The
    /// caller sees to it that one process alone runs projections and effects and changes the schema: whoever
    /// holds the lock of the event log. Another may look, have an event skipped, and rebuild.
    ///
    /// # Errors
    /// When the file cannot be opened or its schema not be changed.
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenViewsError> {
        migrate_sqlite(path, Part::Views).await?;
        let db = Db::Sqlite(Sqlite::open(path).await?);
        Ok(Self { db, statements: Arc::new(Statements::new(Dialect::Sqlite)), blind: Blind::default() })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Sqlite {
    options: Arc<SqliteConnectOptions>,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    readers: Arc<Readers>,
}

#[derive(Debug)]
struct Writer {
    /// None after a failure that leaves it in doubt; opened again for the next transaction.
    connection: Option<SqliteConnection>,
    /// A transaction was begun and neither committed nor taken back.
    unfinished: bool,
}

/// Connections to read with. Not a pool of sqlx: that one sends every connection on an extra errand when it is
/// given back, which a read of microseconds would feel.
#[derive(Debug)]
struct Readers {
    options: SqliteConnectOptions,
    idle: Mutex<Vec<SqliteConnection>>,
    turns: Arc<Turns<Of>>,
}

/// A connection to read with, given back when dropped.
pub(super) struct Reader {
    readers: Arc<Readers>,
    connection: Option<SqliteConnection>,
    _turn: Turn<Of>,
}

/// The one connection that writes, in a transaction.
pub(super) struct SqliteTx {
    writer: OwnedMutexGuard<Writer>,
}

impl Sqlite {
    async fn open(path: &Path) -> Result<Self, sqlx::Error> {
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
        let connection = Some(options.connect().await?);
        let reading = common.read_only(true).pragma("cache_size", READER_CACHE);
        let idle = Mutex::new(vec![reading.connect().await?]);
        let limits = TurnsLimits { at_once: READERS, waiting: WAITING, patience: PATIENCE };
        let readers = Arc::new(Readers { options: reading, idle, turns: Arc::new(Turns::new(limits)) });
        let writer = Arc::new(tokio::sync::Mutex::new(Writer { connection, unfinished: false }));
        Ok(Self { options: Arc::new(options), writer, readers })
    }

    pub(super) async fn begin(&self) -> Result<SqliteTx, sqlx::Error> {
        let mut writer = self.writer.clone().lock_owned().await;
        let mut connection = match writer.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        if writer.unfinished {
            // outside of a transaction this fails, which is fine: then there is nothing to take back
            let _ = connection.execute("ROLLBACK").await;
        }
        writer.unfinished = true;
        // at once for writing: a transaction that begins by reading could not wait for its turn later
        connection.execute("BEGIN IMMEDIATE").await?;
        writer.connection = Some(connection);
        Ok(SqliteTx { writer })
    }

    /// Writes the whole file anew, so that nothing is left between its rows, and empties the journal. Nobody writes
    /// meanwhile; who reads goes on reading.
    pub(super) async fn scrub(&self, tries: u32) -> Result<(), sqlx::Error> {
        let _nobody_writes = self.writer.clone().lock_owned().await;
        let mut connection = self.options.connect().await?;
        connection.execute("VACUUM").await?;
        for _ in 0..tries {
            let row = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await?;
            if row.try_get::<i64, _>(0)? == 0 {
                return connection.close().await;
            }
        }
        Err(sqlx::Error::Protocol("readers keep the journal of the views from being emptied".to_owned()))
    }

    pub(super) async fn reader(&self, of: Of) -> Result<Reader, sqlx::Error> {
        let readers = self.readers.clone();
        let turn = readers.turns.take(&of, 1).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let idle = readers.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => readers.options.connect().await?,
        };
        Ok(Reader { readers, connection: Some(connection), _turn: turn })
    }
}

impl SqliteTx {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.writer.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection()?.execute("COMMIT").await?;
        self.writer.unfinished = false;
        Ok(())
    }
}

impl Reader {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Does not give the connection back if `error` leaves it in doubt.
    pub(super) fn judge(&mut self, error: &sqlx::Error) {
        if error.as_database_error().is_none() {
            self.connection = None;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
