//! Checks shared by all SQLite stores: was the file removed or replaced, is a connection usable after an error, can
//! the file be written.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

/// How long a probe waits for a lock another connection holds.
const PROBE_BUSY: Duration = Duration::from_secs(1);

/// The identity of the file that a store opened, to tell it from a file put in its place later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    path: PathBuf,
    id: FileId,
}

/// Device and inode; two files of one machine never share both while they exist.
type FileId = (u64, u64);

/// The path no longer leads to the file that was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} was {what} while it was open", path.display())]
pub struct FileLost {
    path: PathBuf,
    what: &'static str,
}

#[cfg(unix)]
fn file_id(path: &Path) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> io::Result<FileId> {
    std::fs::metadata(path).map(|_| (0, 0))
}

impl OpenFile {
    /// Remembers the file at `path`. Fails when there is no such file.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: file_id(path)? })
    }

    /// Checks that the path still leads to the same file: one directory lookup, no read of the file. Fails when the
    /// file was removed or replaced; succeeds when the lookup fails for another reason, which proves nothing.
    pub fn check(&self) -> Result<(), FileLost> {
        let what = match file_id(&self.path) {
            Ok(id) if id == self.id => return Ok(()),
            Ok(_) => "replaced by another file",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "removed",
            Err(_) => return Ok(()),
        };
        Err(FileLost { path: self.path.clone(), what })
    }
}

impl From<FileLost> for sqlx::Error {
    fn from(lost: FileLost) -> Self {
        Self::Io(io::Error::new(io::ErrorKind::NotFound, lost))
    }
}

/// The primary result code of SQLite in an error, for example 11 for `SQLITE_CORRUPT`.
pub(crate) fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Whether the file is damaged, or no database at all.
#[must_use]
pub fn is_damaged(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error), Some(11 | 26))
}

/// Whether a connection may be used again after `error`. After a full disk, an I/O error, lack of memory or damage
/// SQLite may have rolled the transaction back by itself, which the driver does not learn.
pub(crate) fn connection_survives(error: &sqlx::Error) -> bool {
    match error {
        // SQLITE_ERROR, BUSY, LOCKED, CONSTRAINT, MISMATCH, RANGE
        sqlx::Error::Database(_) => matches!(sqlite_code(error), Some(1 | 5 | 6 | 19 | 20 | 25)),
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)
        | sqlx::Error::TypeNotFound { .. } => true,
        _ => false,
    }
}

/// Pool options that discard a connection returned inside a transaction: SQLite rolled the transaction back by
/// itself, while the driver still counts it as open.
pub(crate) fn pool_options(connections: u32, acquire: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire)
        .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

/// Copies the database as an open connection sees it to a new file, even after its own file was removed.
pub(crate) async fn rescue(pool: &SqlitePool, to: &Path) -> Result<(), sqlx::Error> {
    sqlx::query("VACUUM INTO $1").bind(to.to_string_lossy()).execute(pool).await.map(drop)
}

/// Writes to the database at `path` over a connection of its own and flushes. Fails when the disk is full, or the
/// file is read-only, damaged or gone.
pub async fn probe_sqlite(path: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(PROBE_BUSY)
        .pragma("wal_autocheckpoint", "0")
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    // more than a page, so that a disk with a few bytes left counts as full
    let written = connection.execute(
        "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS write_probe (only_row INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT; \
         INSERT INTO write_probe (only_row, bytes) VALUES (1, randomblob(16384)) \
         ON CONFLICT (only_row) DO UPDATE SET bytes = excluded.bytes; COMMIT",
    );
    let written = written.await.map(drop);
    let closed = connection.close().await;
    written.and(closed)
}
