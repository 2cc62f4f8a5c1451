//! Consistent copies of a SQLite database while another process writes it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::files::create_private;

/// How long to wait for a lock another connection holds.
const BUSY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The copy's file could not be made or flushed.
    #[error("cannot write {path}")]
    File {
        path: std::path::PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// SQLite could not read the source or write the copy.
    #[error("cannot copy {from} to {to}")]
    Database {
        from: std::path::PathBuf,
        to: std::path::PathBuf,
        #[source]
        error: sqlx::Error,
    },
}

/// Copies the database at `from`, as of one moment, into a new file at `to` that only its owner may read, and
/// flushes it to disk. The copy holds nothing of rows that were deleted before. The writer of `from` goes on
/// meanwhile; its journal grows until the copy is done. Fails when `to` exists, `from` cannot be read or `to`
/// cannot be written; a partial copy stays on disk.
pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<(), CopyError> {
    let at = |error| CopyError::File { path: to.to_owned(), error };
    // created empty first: SQLite would create a file that others may read
    let file = create_private(to).map_err(at)?;
    let failed = |error| CopyError::Database { from: from.to_owned(), to: to.to_owned(), error };
    copy(from, to).await.map_err(failed)?;
    file.sync_all().map_err(at)
}

async fn copy(from: &Path, to: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(from)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(BUSY)
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    let mut connection: SqliteConnection = options.connect().await?;
    let to = to.to_str().ok_or_else(|| sqlx::Error::Protocol("the folder's name is not UTF-8".to_owned()))?;
    let copied = sqlx::query("VACUUM INTO ?").bind(to).execute(&mut connection).await.map(drop);
    let closed = connection.close().await;
    copied.and(closed)
}
