//! The database of seals (the Merkle tree): the same SQL for SQLite and PostgreSQL.

use std::path::Path;
use std::time::Duration;

use domain::ports::StoreUnavailable;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};

use crate::database::{
    Database, FROZEN_TRANSACTION, MigrationError, Part, migrate_postgres, migrate_sqlite, pool_options,
    probe_postgres, probe_sqlite, rescue,
};

/// How long to wait for a connection, or for a lock that another process holds.
const ACQUIRE: Duration = Duration::from_secs(3);
const CONNECTIONS: u32 = 4;

/// A connection pool to the stored tree. Cheap to clone.
#[derive(Debug, Clone)]
pub enum SealsDb {
    /// A file beside the log's.
    Sqlite(SqlitePool),
    /// The same server as the log's.
    Postgres(PgPool),
}

#[derive(Debug, thiserror::Error)]
pub enum OpenSealsError {
    /// The database could not be reached or opened.
    #[error("cannot open the seals")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema of the seals up to date")]
    Schema(#[from] MigrationError),
}

impl SealsDb {
    /// Opens the store, creating what is missing. Fails when it cannot be opened or migrated.
    pub async fn open(database: &Database) -> Result<Self, OpenSealsError> {
        match database {
            Database::Sqlite(path) => migrate_sqlite(path, Part::Seals).await?,
            Database::Postgres(url) => migrate_postgres(url.options()?, Part::Seals).await?,
        }
        Self::connect(database, false).await
    }

    /// Opens the store for reading only, beside a node that writes it. Creates nothing; fails when there is no store.
    pub async fn open_read_only(database: &Database) -> Result<Self, OpenSealsError> {
        Self::connect(database, true).await
    }

    async fn connect(database: &Database, read_only: bool) -> Result<Self, OpenSealsError> {
        match database {
            Database::Sqlite(path) => {
                let mut options = SqliteConnectOptions::new()
                    .filename(path)
                    .busy_timeout(ACQUIRE)
                    .read_only(read_only)
                    .disable_statement_logging();
                if !read_only {
                    options =
                        options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
                }
                let pool = pool_options(CONNECTIONS, ACQUIRE);
                Ok(Self::Sqlite(pool.connect_with(options).await?))
            }
            Database::Postgres(url) => {
                let options = url
                    .options()?
                    .disable_statement_logging()
                    .application_name("voxledger-seals")
                    .options([FROZEN_TRANSACTION]);
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
                Ok(Self::Postgres(pool.connect_with(options).await?))
            }
        }
    }

    /// Proves that the store accepts writes: writes and flushes. Fails when the disk is full, or the file or
    /// the server is gone.
    pub async fn probe(&self) -> Result<(), StoreUnavailable> {
        match self {
            Self::Sqlite(pool) => probe_sqlite(pool.connect_options().get_filename()).await,
            Self::Postgres(pool) => probe_postgres(pool).await,
        }
        .map_err(|error| StoreUnavailable(error.to_string()))
    }

    /// Copies an embedded store as its open connection sees it to a new file, even after its own file was removed.
    /// Fails when no connection is open any more, or the copy cannot be written.
    pub async fn rescue(&self, to: &Path) -> Result<(), StoreUnavailable> {
        match self {
            Self::Sqlite(pool) => rescue(pool, to).await.map_err(|error| StoreUnavailable(error.to_string())),
            Self::Postgres(_) => Err(StoreUnavailable("the seals are on a server".to_owned())),
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Evaluates an expression with the pool of either database.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::seals::SealsDb::Sqlite($pool) => $body,
            $crate::seals::SealsDb::Postgres($pool) => $body,
        }
    };
}
pub(super) use on;
