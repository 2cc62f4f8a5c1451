//! Views, leases and work in SQLite or PostgreSQL: one implementation, [`SqlViews`].
//!
//! The SQL is the same for both wherever the dialects agree; `sql` hides how values are bound and read, `db` how
//! connections are held, `table` how rows of any view are written, loaded and compared.

mod agents;
mod api_keys;
mod audit_log;
mod blind;
mod calls;
mod checkpoints;
mod clients;
mod conversations;
mod db;
mod documents;
mod erasure;
mod ivr;
mod leases;
mod list;
mod numbers;
mod postgres;
mod rows;
mod sql;
mod sqlite;
mod table;
mod tallies;
mod tenant;
mod transcripts;
mod users;
mod webhooks;
mod work;
mod work_changes;

pub use self::db::SqlViews;
pub use self::postgres::PostgresSettings;
use crate::database::Database;

/// Why the views could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenViewsError {
    /// The database could not be reached or opened.
    #[error("cannot open the read models")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema of the read models up to date")]
    Schema(#[from] crate::database::MigrationError),
}

impl SqlViews {
    /// Opens the views wherever `database` says, creating what is missing.
    ///
    /// # Errors
    /// When the database cannot be opened or its schema not be changed.
    pub async fn open(database: &Database) -> Result<Self, OpenViewsError> {
        match database {
            Database::Sqlite(path) => Self::open_sqlite(path).await,
            Database::Postgres(url) => Self::open_postgres(url, PostgresSettings::default()).await,
        }
    }
}
