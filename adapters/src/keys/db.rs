//! The key database: the same SQL for SQLite and PostgreSQL.

use std::path::Path;
use std::time::Duration;

use domain::ports::StoreUnavailable;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};

use crate::database::{
    Database, FROZEN_TRANSACTION, MigrationError, Part, in_words, migrate_postgres, migrate_sqlite,
    pool_options, probe_postgres, probe_sqlite, rescue,
};
use uuid::Uuid;

/// How long to wait for a connection, or for a lock that another process holds.
const ACQUIRE: Duration = Duration::from_secs(3);
const CONNECTIONS: u32 = 4;

/// The longest that one step on a server may take. Erasing a client's keys, or wrapping them all anew, takes seconds.
pub(crate) const SERVER_LIMIT: Duration = Duration::from_secs(60);

/// A connection pool to the key store. Cheap to clone.
#[derive(Debug, Clone)]
pub enum KeysDb {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

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
    /// Name of the database system in traces.
    pub(super) const fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }

    /// Opens the store and creates what is missing. Fails when it cannot be opened or migrated.
    pub async fn open(database: &Database) -> Result<Self, OpenKeysError> {
        match database {
            Database::Sqlite(path) => {
                migrate_sqlite(path, Part::Keys).await?;
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(ACQUIRE)
                    // SQLite overwrites a deleted key instead of only unlinking it
                    .pragma("secure_delete", "on")
                    .disable_statement_logging();
                // writers take turns anyway, and a second connection would only wait for the first one's lock
                let pool = pool_options(1, ACQUIRE);
                Ok(Self::Sqlite(pool.connect_with(options).await?))
            }
            Database::Postgres(url) => {
                let options = url
                    .options()?
                    .disable_statement_logging()
                    .application_name("voxledger-keys")
                    .options([FROZEN_TRANSACTION]);
                migrate_postgres(options.clone(), Part::Keys).await?;
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
                Ok(Self::Postgres(pool.connect_with(options).await?))
            }
        }
    }

    /// Whether only this node can use the store: true for a file, false for a server.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Whether the store holds no key at all. Fails when it cannot be read.
    pub async fn is_empty(&self) -> Result<bool, StoreUnavailable> {
        let any = "SELECT count(*) FROM (SELECT 1 FROM data_keys LIMIT 1) AS any_key";
        let keys: i64 =
            on!(self, pool => sqlx::query_scalar(any).fetch_one(pool).await).map_err(unavailable)?;
        Ok(keys == 0)
    }

    /// Id of the log whose events these keys open; `None` while the store is tied to no log. Fails when the
    /// store cannot be read.
    pub async fn log_id(&self) -> Result<Option<Uuid>, StoreUnavailable> {
        on!(self, pool => sqlx::query_scalar("SELECT log_id FROM keys_log").fetch_optional(pool).await)
            .map_err(unavailable)
    }

    /// Ties the store to a log, unless it is tied to one already. Fails when the store cannot be written.
    pub async fn tie_to_log(&self, log: Uuid) -> Result<(), StoreUnavailable> {
        let put = "INSERT INTO keys_log (only_row, log_id) VALUES (1, $1) ON CONFLICT (only_row) DO NOTHING";
        on!(self, pool => sqlx::query(put).bind(log).execute(pool).await.map(drop)).map_err(unavailable)
    }

    /// Proves that the store accepts writes: writes and flushes. Fails when the disk is full, or the file or
    /// the server is gone.
    pub async fn probe(&self) -> Result<(), StoreUnavailable> {
        match self {
            Self::Sqlite(pool) => probe_sqlite(pool.connect_options().get_filename()).await,
            Self::Postgres(pool) => probe_postgres(pool).await,
        }
        .map_err(unavailable)
    }

    /// Copies an embedded store as its open connection sees it to a new file, even after its own file was removed.
    /// Fails when no connection is open any more, or the copy cannot be written.
    pub async fn rescue(&self, to: &Path) -> Result<(), StoreUnavailable> {
        match self {
            Self::Sqlite(pool) => rescue(pool, to).await.map_err(unavailable),
            Self::Postgres(_) => Err(StoreUnavailable("the keys are on a server".to_owned())),
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Evaluates an expression with the pool of either database: `on!(self.db, pool => query.execute(pool).await)`. A
/// server has [`SERVER_LIMIT`] for all of it.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::keys::KeysDb::Sqlite($pool) => async { $body }.await,
            $crate::keys::KeysDb::Postgres($pool) => {
                $crate::database::limited($crate::keys::SERVER_LIMIT, async { $body }).await
            }
        }
    };
}
pub(crate) use on;

pub(crate) fn unavailable(error: sqlx::Error) -> StoreUnavailable {
    StoreUnavailable(in_words(&error))
}
