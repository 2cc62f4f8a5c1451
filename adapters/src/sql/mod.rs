//! A database of derived data (views or work store): SQLite or PostgreSQL behind the same SQL.
//!
//! `value` hides how values are bound and read, `db` how connections are held, `tenant` whose rows a read may see.

pub(crate) mod batch;
pub(crate) mod db;
pub(crate) mod leases;
pub(crate) mod list;
pub(crate) mod log_id;
pub(crate) mod postgres;
pub(crate) mod sqlite;
pub(crate) mod tenant;
pub(crate) mod value;

pub use self::log_id::OtherLog;
pub use self::postgres::PostgresSettings;

#[derive(Debug, thiserror::Error)]
pub enum OpenDbError {
    /// The database could not be reached or opened.
    #[error("cannot open the database")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema up to date")]
    Schema(#[from] crate::database::MigrationError),
}

impl OpenDbError {
    /// The other log that the store belongs to, if that is the error.
    #[must_use]
    pub fn other_log(&self) -> Option<&OtherLog> {
        match self {
            Self::Database(sqlx::Error::Configuration(error)) => error.downcast_ref(),
            _ => None,
        }
    }

    /// Whether the file is damaged, or no database at all.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        use crate::database::{MigrationError, is_damaged};
        match self {
            Self::Database(sqlx::Error::Configuration(error)) => match error.downcast_ref::<MigrationError>()
            {
                Some(MigrationError::Database(error)) => is_damaged(error),
                Some(MigrationError::Migration(error)) => match error {
                    sqlx::migrate::MigrateError::Execute(error) => is_damaged(error),
                    sqlx::migrate::MigrateError::ExecuteMigration(error, _) => is_damaged(error),
                    _ => false,
                },
                _ => false,
            },
            Self::Database(error) => is_damaged(error),
            Self::Schema(_) => false,
        }
    }
}
