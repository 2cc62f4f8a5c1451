//! A PostgreSQL server with views or the work store: one pool for background work, another for queries, so that
//! neither starves the other.
//!
//! A commit of background work does not wait for its flush (`synchronous_commit = off`): a crash of the server may
//! lose the last ones, rows and checkpoint together, and they are derived from the log again.
//!
//! Row-level security hides every client's rows from a transaction that has not named its client. Reads name it as
//! they begin, in one message; they are rolled back instead of committed, which costs no wait: the rollback goes
//! out together with the check that a connection gets when it returns to the pool.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::ports::StoreUnavailable;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::db::made;
use super::leases::LogReach;
use super::log_id::ExpectedLog;
use super::tenant::Of;
use crate::database::{Part, SecretUrl, exempt_from_row_security, migrate_postgres};
use crate::fairness::{Turn, Turns, TurnsLimits};

/// How long to wait for a connection before the store counts as unavailable.
const ACQUIRE: Duration = Duration::from_secs(3);
/// Queries of the API that may wait for a connection. Clients take turns.
const WAITING: usize = 4_096;
/// A connection idle for less than this is used without a test.
const TRUSTED: Duration = Duration::from_secs(1);
/// Begins a transaction of background work. Settings hold for the transaction only, so it works behind a pooler. A node
/// that stands still inside one loses it after as long as a lease lasts: its row locks would keep others from taking over.
const BEGIN: &str = "BEGIN; SET LOCAL voxledger.client = 'system'; SET LOCAL synchronous_commit = off; \
                     SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// Sizes of a store's connection pools.
#[derive(Debug, Clone, Copy)]
pub struct PostgresSettings {
    /// Connections for projections, leases and the work store.
    pub workers: u32,
    /// Connections for queries of the API.
    pub readers: u32,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self { workers: 4, readers: 8 }
    }
}

/// Tests whether a connection is alive, unless it was in use a moment ago: the test costs as much as a query.
async fn still_there(connection: &mut PgConnection, idle_for: Duration) -> Result<bool, sqlx::Error> {
    Ok(idle_for < TRUSTED || connection.ping().await.is_ok())
}

#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    part: Part,
    options: Arc<PgConnectOptions>,
    workers: PgPool,
    readers: PgPool,
    migrated: Arc<OnceCell<()>>,
    expected: ExpectedLog,
    turns: Arc<Turns<Of>>,
    /// The log that the work under the leases of this database follows.
    log: Arc<OnceLock<LogReach>>,
}

impl Postgres {
    pub(crate) fn new(url: &SecretUrl, part: Part, settings: PostgresSettings) -> Result<Self, sqlx::Error> {
        let name = match part {
            Part::Work => "voxledger-work",
            _ => "voxledger-views",
        };
        let options = url.options()?.disable_statement_logging().application_name(name);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE)
                .idle_timeout(Duration::from_secs(300))
                .test_before_acquire(false)
                .before_acquire(|connection, known| Box::pin(still_there(connection, known.idle_for)))
                .connect_lazy_with(options.clone())
        };
        let (workers, readers) = (pool(settings.workers), pool(settings.readers));
        let at_once = usize::try_from(settings.readers).unwrap_or(1);
        let turns = Arc::new(Turns::new(TurnsLimits { at_once, waiting: WAITING, patience: ACQUIRE }));
        Ok(Self {
            part,
            options: Arc::new(options),
            workers,
            readers,
            migrated: Arc::default(),
            expected: ExpectedLog::default(),
            turns,
            log: Arc::default(),
        })
    }

    /// Sets the log that a node must be able to read to have a lease; the first one counts.
    pub(super) fn lease_with(&self, log: LogReach) {
        let _ = self.log.set(log);
    }

    /// Fails while this node cannot read the log that leases are had with.
    pub(super) async fn log_in_reach(&self) -> Result<(), StoreUnavailable> {
        match self.log.get() {
            Some(log) => log.check().await,
            None => Ok(()),
        }
    }

    /// Migrates the schema, once.
    pub(crate) async fn ready(&self) -> Result<(), sqlx::Error> {
        let migrated = self.migrated.get_or_try_init(|| async {
            let migrated = migrate_postgres((*self.options).clone(), self.part).await;
            migrated.map_err(|error| sqlx::Error::Configuration(error.into()))?;
            if let Some(role) = exempt_from_row_security(&self.workers).await? {
                tracing::warn!(
                    db.role = role,
                    "PostgreSQL does not enforce row-level security for this role; run `voxledger doctor`"
                );
            }
            self.expected.check_postgres(self.part, &self.workers).await
        });
        migrated.await.copied()
    }

    pub(crate) fn part(&self) -> Part {
        self.part
    }

    pub(crate) async fn follow_log(&self, log: Uuid) -> Result<(), sqlx::Error> {
        self.expected.set(log);
        self.ready().await?;
        self.expected.check_postgres(self.part, &self.workers).await
    }

    pub(crate) async fn close(&self) {
        self.workers.close().await;
        self.readers.close().await;
    }

    pub(crate) async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
        self.ready().await?;
        self.workers.begin_with(BEGIN).await
    }

    /// Connections outside of any transaction, for table maintenance.
    pub(crate) fn workers(&self) -> &PgPool {
        &self.workers
    }

    /// A connection for queries of the API.
    pub(crate) async fn reader(&self, of: Of) -> Result<Reader, sqlx::Error> {
        self.ready().await?;
        let turn = self.turns.take(&of, 1).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        Reader::take(&self.readers, of, Some(turn)).await
    }

    /// A connection for queries that take long.
    pub(crate) async fn surveyor(&self, of: Of) -> Result<Reader, sqlx::Error> {
        self.ready().await?;
        Reader::take(&self.workers, of, None).await
    }
}

/// A reading connection; dropping it gives it back.
pub(crate) struct Reader {
    connection: Reading,
    _turn: Option<Turn<Of>>,
}

enum Reading {
    /// A connection outside of any transaction.
    Plain(PoolConnection<sqlx::Postgres>),
    /// A transaction that has named its client.
    Of(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl Reader {
    async fn take(pool: &PgPool, of: Of, turn: Option<Turn<Of>>) -> Result<Self, sqlx::Error> {
        let connection = match of.begin() {
            Some(begin) => pool.begin_with(made(begin)).await.map(Reading::Of),
            None => pool.acquire().await.map(Reading::Plain),
        };
        Ok(Self { connection: connection?, _turn: turn })
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        match &mut self.connection {
            Reading::Plain(connection) => connection,
            Reading::Of(transaction) => transaction,
        }
    }
}
