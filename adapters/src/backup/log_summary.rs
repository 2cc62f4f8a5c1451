//! The id and the length of a log copy.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSummary {
    /// The log's id: that of its first event.
    pub id: Uuid,
    /// Position of the newest event, which equals the number of events.
    pub head: u64,
    pub head_event: Uuid,
    /// Microseconds since 1970 when the newest event was recorded.
    pub recorded_at: i64,
}

pub(super) async fn looking_at(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).read_only(true);
    options.disable_statement_logging().connect().await
}

impl LogSummary {
    /// Reads the summary of the SQLite log at `path`; `None` when the log is empty. Fails when it cannot be
    /// read, or has holes.
    pub async fn of_sqlite(path: &Path) -> Result<Option<Self>, sqlx::Error> {
        let mut log = looking_at(path).await?;
        let (events, head): (i64, i64) =
            sqlx::query_as("SELECT count(*), coalesce(max(position), 0) FROM events")
                .fetch_one(&mut log)
                .await?;
        if events != head {
            let text =
                format!("the log has {events} events and goes up to position {head}: events are missing");
            return Err(sqlx::Error::Protocol(text));
        }
        if head == 0 {
            return Ok(None);
        }
        let at = "SELECT id, recorded_at FROM events WHERE position = $1";
        let first = sqlx::query(at).bind(1_i64).fetch_one(&mut log).await?;
        let last = sqlx::query(at).bind(head).fetch_one(&mut log).await?;
        log.close().await?;
        let id = |row: &sqlx::sqlite::SqliteRow| {
            let text: &str = row.try_get(0)?;
            text.parse::<Uuid>().map_err(|error| sqlx::Error::Decode(error.into()))
        };
        Ok(Some(Self {
            id: id(&first)?,
            head: head.unsigned_abs(),
            head_event: id(&last)?,
            recorded_at: last.try_get(1)?,
        }))
    }
}

/// The number of events that the newest signed head in the SQLite seals database at `path` covers. Fails when
/// it cannot be read.
pub async fn sealed_upto(path: &Path) -> Result<u64, sqlx::Error> {
    let mut seals = looking_at(path).await?;
    let size: i64 =
        sqlx::query_scalar("SELECT coalesce(max(size), 0) FROM seal_heads").fetch_one(&mut seals).await?;
    seals.close().await?;
    Ok(size.unsigned_abs())
}
