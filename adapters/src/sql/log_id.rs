//! Records which log a store follows: one row, written once the log has an event.

use std::sync::{Arc, OnceLock};

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::database::Part;

/// The store belongs to another log than the event store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store belongs to log {found}, and the event store is log {expected}")]
pub struct OtherLog {
    /// Id of the event store's log.
    pub expected: Uuid,
    /// Id of the log that the store was filled from.
    pub found: Uuid,
}

impl From<OtherLog> for sqlx::Error {
    fn from(error: OtherLog) -> Self {
        Self::Configuration(error.into())
    }
}

/// Id of the log that a store must follow, once it is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExpectedLog(Arc<OnceLock<Uuid>>);

impl ExpectedLog {
    pub(crate) fn set(&self, log: Uuid) {
        // a node has one log for as long as it runs
        let _ = self.0.set(log);
    }

    /// Ties the store to the log if it is tied to none, and fails if it is tied to another.
    pub(crate) async fn check_sqlite(
        &self,
        part: Part,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        let Some(&expected) = self.0.get() else { return Ok(()) };
        let (put, get) = statements(part);
        sqlx::query(put).bind(expected).execute(&mut *connection).await?;
        let found = sqlx::query_scalar(get).fetch_one(connection).await?;
        same(expected, found)
    }

    /// Does the same on a PostgreSQL server.
    pub(crate) async fn check_postgres(&self, part: Part, pool: &PgPool) -> Result<(), sqlx::Error> {
        let Some(&expected) = self.0.get() else { return Ok(()) };
        let (put, get) = statements(part);
        sqlx::query(put).bind(expected).execute(pool).await?;
        let found = sqlx::query_scalar(get).fetch_one(pool).await?;
        same(expected, found)
    }
}

fn same(expected: Uuid, found: Uuid) -> Result<(), sqlx::Error> {
    if found == expected { Ok(()) } else { Err(OtherLog { expected, found }.into()) }
}

macro_rules! statements {
    ($table:literal) => {
        (
            concat!(
                "INSERT INTO ",
                $table,
                " (only_row, log_id) VALUES (1, $1) ON CONFLICT (only_row) DO NOTHING"
            ),
            concat!("SELECT log_id FROM ", $table),
        )
    };
}

fn statements(part: Part) -> (&'static str, &'static str) {
    match part {
        Part::Work => statements!("work_log"),
        _ => statements!("views_log"),
    }
}

/// The SQL that reads the log's id.
pub(crate) fn get(part: Part) -> &'static str {
    statements(part).1
}
