//! A SQLite log that another one is copied into: a transaction for each write.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{Position, Recorded};
use domain::ports::event_store::EventStore;
use domain::ports::log_target::{LogTarget, WriteError, must_follow};
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::super::backend::{Fault, Row};
use super::super::{CopyFailure, taken};
use super::lock::WriteLock;
use super::write::{CHECKPOINT_PAGES, WAL_KEPT, bind, fault, head, insert_rows};
use super::{OpenError, SqliteEventStore, options};
use crate::database::{OpenFile, Part, in_words, migrate_sqlite};

/// Rows of one statement.
const ROWS: usize = 512;
/// Page cache of the connection, in KiB (negative by SQLite's convention): ids and streams go to all ends of their trees.
const CACHE: &str = "-65536";

/// The log in one SQLite file, locked against every other writer.
#[derive(Debug)]
pub struct SqliteLogTarget {
    connection: SqliteConnection,
    file: OpenFile,
    reads: Arc<SqliteEventStore>,
    _lock: WriteLock,
}

impl SqliteLogTarget {
    /// Opens the file, and creates it and its schema as needed. Fails with [`OpenError::InUse`] when another process
    /// writes it, and with others when it cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = WriteLock::take(path)?;
        migrate_sqlite(path, Part::Log).await?;
        let connection = options(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", WAL_KEPT)
            .pragma("cache_size", CACHE)
            .connect()
            .await?;
        let file = OpenFile::at(path).map_err(sqlx::Error::Io)?;
        let reads = Arc::new(SqliteEventStore::open_read_only(path).await?);
        Ok(Self { connection, file, reads, _lock: lock })
    }

    async fn commit(&mut self, events: &[Recorded]) -> Result<(), CopyFailure> {
        self.file.check().map_err(sqlx::Error::from)?;
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut head = head(&mut transaction).await?;
        must_follow(Position(head), events).map_err(CopyFailure::Refused)?;
        for piece in events.chunks(ROWS) {
            let rows: Vec<_> = piece.iter().map(|event| Row { event, version: event.version }).collect();
            let arguments = bind(&rows, head).map_err(sqlx::Error::Encode)?;
            let sql = AssertSqlSafe(insert_rows(piece.len()));
            sqlx::query_with(sql, arguments).execute(&mut *transaction).await?;
            head += piece.len() as u64;
        }
        transaction.commit().await?;
        Ok(self.file.check().map_err(sqlx::Error::from)?)
    }
}

#[async_trait]
impl LogTarget for SqliteLogTarget {
    async fn write(&mut self, events: &[Recorded]) -> Result<(), WriteError> {
        self.commit(events).await.map_err(|failure| match failure {
            CopyFailure::Refused(error) => error,
            CopyFailure::Database(error) => match fault(&error) {
                Fault::Clash => WriteError::Refused(taken(events)),
                Fault::NotWritten(_) | Fault::Unknown(_) => WriteError::Unavailable(in_words(&error)),
            },
        })
    }

    fn log(&self) -> Arc<dyn EventStore> {
        self.reads.clone()
    }

    async fn close(self: Box<Self>) {
        self.reads.close().await;
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the copied log was not closed cleanly; it recovers when opened again");
        }
    }
}
