//! A consistent copy of a SQLite database beside whoever writes it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::files::create_private;

/// How long to wait for a lock another connection holds.
const BUSY: Duration = Duration::from_secs(10);

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The copy's file could not be made or flushed.
    #[error("cannot write {path}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// SQLite could not read the one or write the other.
    #[error("cannot copy {from} to {to}")]
    Database {
        /// What was to be copied.
        from: std::path::PathBuf,
        /// Where to.
        to: std::path::PathBuf,
        /// Why not.
        #[source]
        error: sqlx::Error,
    },
}

/// Copies the database at `from`, as of one moment, into a new file at `to` that its owner alone may read, and has it
/// flushed to disk. Nothing of rows that were deleted before is in the copy. Whoever writes `from` goes on meanwhile;
/// its journal grows until the copy is done.
///
/// # Errors
/// When `to` exists, or the one cannot be read or the other not be written. What was written of it is left behind.
pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<(), CopyError> {
    let at = |error| CopyError::File { path: to.to_owned(), error };
    // made first, and empty: SQLite would make one that others may read
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
