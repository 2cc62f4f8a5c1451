//! Checkpoints SQLite files on a clean stop, so that each file is complete by itself.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};

/// How long to wait for connections that still read.
const PATIENCE: Duration = Duration::from_secs(2);

/// Moves what is in the journal of the SQLite database at `path` into the file itself and empties the journal,
/// so that the file alone holds everything. Idle open connections do not prevent it. Does nothing without a
/// file. Answers whether the journal is empty; it is not while somebody keeps reading. Fails when the file
/// cannot be opened or written.
pub async fn settle(path: &Path) -> Result<bool, sqlx::Error> {
    if !path.exists() {
        return Ok(true);
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(PATIENCE)
        // what is not flushed in views is flushed here
        .pragma("synchronous", "full")
        .disable_statement_logging();
    let mut connection: SqliteConnection = options.connect().await?;
    let checkpoint = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let emptied = checkpoint.and_then(|row| row.try_get::<i64, _>(0)).map(|busy| busy == 0);
    let closed = connection.close().await;
    emptied.and_then(|emptied| closed.map(|()| emptied))
}
