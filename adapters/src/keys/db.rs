//! The database of keys: one text of SQL for SQLite and PostgreSQL.

use std::time::Duration;

use domain::ports::StoreUnavailable;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::database::{Database, MigrationError, Part, in_words, migrate_postgres, migrate_sqlite};

/// How long to wait for a connection, or for a lock another process holds.
const ACQUIRE: Duration = Duration::from_secs(3);
const CONNECTIONS: u32 = 4;

/// Where keys are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub enum KeysDb {
    /// A file.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

/// Why the key store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenKeysError {
    /// The database could not be reached or opened.
    #[error("cannot open the key store")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema of the key store up to date")]
    Schema(#[from] MigrationError),
}

impl KeysDb {
    /// Opens the store, creating what is missing.
    ///
    /// # Errors
    /// When it cannot be opened or its schema not be changed.
    pub async fn open(database: &Database) -> Result<Self, OpenKeysError> {
        match database {
            Database::Sqlite(path) => {
                migrate_sqlite(path, Part::Keys).await?;
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(ACQUIRE)
                    // a destroyed key is overwritten, not only forgotten
                    .pragma("secure_delete", "on")
                    .disable_statement_logging();
                // writers take turns anyway, and a second connection would only wait for the first one's lock
                let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE);
                Ok(Self::Sqlite(pool.connect_with(options).await?))
            }
            Database::Postgres(url) => {
                let options = url.options()?.disable_statement_logging().application_name("voxledger-keys");
                migrate_postgres(options.clone(), Part::Keys).await?;
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
                Ok(Self::Postgres(pool.connect_with(options).await?))
            }
        }
    }

    /// Whether only one node can use it: a file is its own, a server is anybody's.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Closes the connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Evaluates an expression with the pool of either database: `on!(self.db, pool => query.execute(pool).await)`.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::keys::KeysDb::Sqlite($pool) => $body,
            $crate::keys::KeysDb::Postgres($pool) => $body,
        }
    };
}
pub(crate) use on;

pub(crate) fn unavailable(error: sqlx::Error) -> StoreUnavailable {
    StoreUnavailable(in_words(&error))
}
