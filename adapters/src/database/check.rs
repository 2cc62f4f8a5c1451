//! Checks page by page whether the stored data can still be read.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::address::SecretUrl;
use super::words::sqlite_code;

/// The most faults that a report lists.
const MOST_FAULTS: usize = 5;
/// Virtual-machine steps of SQLite between two looks at the clock.
const STEPS: i32 = 10_000;

/// Result of a page check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pages {
    /// Every page can be read and is in its place.
    Whole,
    /// SQLite's messages about the first damaged pages: table names and page numbers, no row values.
    Damaged(Vec<String>),
    /// The time limit passed before the check ended; it had found no damage until then.
    Unfinished,
}

/// Reads every page of the SQLite database at `path` and changes nothing; `deep` also compares indexes with their
/// tables. Stops after `limit`. Fails when the file cannot be opened or read for another reason than damage.
pub async fn check_sqlite(path: &Path, deep: bool, limit: Option<Duration>) -> Result<Pages, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let checked = async {
        let mut connection: SqliteConnection = options.connect().await?;
        if let Some(limit) = limit {
            let begun = Instant::now();
            connection.lock_handle().await?.set_progress_handler(STEPS, move || begun.elapsed() < limit);
        }
        let pragma = if deep { "integrity_check" } else { "quick_check" };
        let sql = AssertSqlSafe(format!("PRAGMA {pragma}({MOST_FAULTS})"));
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await?;
        connection.lock_handle().await?.remove_progress_handler();
        connection.close().await?;
        Ok::<_, sqlx::Error>(found)
    };
    match checked.await {
        Ok(found) if found == ["ok"] => Ok(Pages::Whole),
        Ok(found) => Ok(Pages::Damaged(found.into_iter().map(|line| line.replace('\n', " ")).collect())),
        // SQLITE_INTERRUPT
        Err(error) if sqlite_code(&error) == Some(9) => Ok(Pages::Unfinished),
        Err(error) if is_damage(&error) => Ok(Pages::Damaged(vec![match error.as_database_error() {
            Some(error) => error.message().to_owned(),
            None => error.to_string(),
        }])),
        Err(error) => Err(error),
    }
}

/// Whether SQLite reports a damaged file, or a file that is no database.
fn is_damage(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error).map(|code| code & 0xff), Some(11 | 26))
}

/// A PostgreSQL server's own knowledge of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerPages {
    /// Whether the server writes a checksum with each page, and so notices damage.
    pub checksums: bool,
    /// Number of pages of this database whose checksum did not match since statistics began.
    pub failures: i64,
}

/// Asks the server about its page checksums. Fails when the server cannot be reached.
pub async fn check_postgres(url: &SecretUrl) -> Result<ServerPages, sqlx::Error> {
    let mut connection: PgConnection = url.options()?.disable_statement_logging().connect().await?;
    let (checksums, failures) = sqlx::query_as(
        "SELECT current_setting('data_checksums') = 'on', coalesce(checksum_failures, 0) \
         FROM pg_stat_database WHERE datname = current_database()",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(ServerPages { checksums, failures })
}
