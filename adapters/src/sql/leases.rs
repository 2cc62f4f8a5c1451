//! Leases, stored in the same database as the data they fence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ports::StoreUnavailable;
use domain::ports::event_store::EventStore;
use domain::ports::lease::Lease;
use sqlx::SqlSafeStr;
use tokio::sync::Mutex;

use super::db::{Db, args, limited};
use super::value::{Dialect, Value};

/// The SQL statements for one table of leases.
#[derive(Debug)]
pub(crate) struct LeaseTable {
    acquire_postgres: &'static str,
    acquire_sqlite: &'static str,
    renew_postgres: &'static str,
    renew_sqlite: &'static str,
    release: &'static str,
}

macro_rules! lease_table {
    ($table:literal) => {
        LeaseTable {
            // decided by the server's clock, in one statement; a returning owner keeps its epoch; a lease that runs
            // longer than any possible one was granted before that clock was set back
            acquire_postgres: concat!(
                "INSERT INTO ",
                $table,
                " AS l (job, owner, epoch, expires_at) \
                 VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 microsecond') \
                 ON CONFLICT (job) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at, \
                 epoch = CASE WHEN l.owner = excluded.owner THEN l.epoch ELSE l.epoch + 1 END \
                 WHERE l.owner = excluded.owner OR l.owner = '' OR l.expires_at <= clock_timestamp() \
                 OR l.expires_at > clock_timestamp() + 2 * $3 * interval '1 microsecond' RETURNING epoch"
            ),
            // this process has locked the file: nobody else can ask for the lease
            acquire_sqlite: concat!(
                "INSERT INTO ",
                $table,
                " AS l (job, owner, epoch) VALUES ($1, $2, 1) \
                 ON CONFLICT (job) DO UPDATE SET owner = excluded.owner, \
                 epoch = CASE WHEN l.owner = excluded.owner THEN l.epoch ELSE l.epoch + 1 END RETURNING epoch"
            ),
            renew_postgres: concat!(
                "UPDATE ",
                $table,
                " SET expires_at = clock_timestamp() + $4 * interval '1 microsecond' \
                 WHERE job = $1 AND owner = $2 AND epoch = $3"
            ),
            renew_sqlite: concat!(
                "UPDATE ",
                $table,
                " SET owner = $2 WHERE job = $1 AND owner = $2 AND epoch = $3"
            ),
            // the row stays, so that epochs keep growing
            release: concat!(
                "UPDATE ",
                $table,
                " SET owner = '' WHERE job = $1 AND owner = $2 AND epoch = $3"
            ),
        }
    };
}

/// Leases of projections and rebuilds, in the database of the views.
pub(crate) const OF_VIEWS: LeaseTable = lease_table!("leases");
/// Leases of the outbox, deliveries, the sealer and erasures, in the work store.
pub(crate) const OF_WORK: LeaseTable = lease_table!("work_leases");

/// The longest that a lease statement may take: a lease granted later than it lasts is useless.
const LIMIT: Duration = Duration::from_secs(5);

/// Whether this node can read the log. The jobs under leases follow it: a node that is cut off from the log alone must
/// not keep them, because another node can do them.
#[derive(Debug)]
pub(crate) struct LogReach {
    log: Arc<dyn EventStore>,
    /// When it was last read.
    read: Mutex<Option<Instant>>,
}

impl LogReach {
    /// How long an answer stands, for all leases of a node.
    const STANDS: Duration = Duration::from_secs(1);
    const LIMIT: Duration = Duration::from_secs(2);

    pub(crate) fn new(log: Arc<dyn EventStore>) -> Self {
        Self { log, read: Mutex::default() }
    }

    pub(super) async fn check(&self) -> Result<(), StoreUnavailable> {
        let mut read = self.read.lock().await;
        if read.is_some_and(|at| at.elapsed() < Self::STANDS) {
            return Ok(());
        }
        let asked = Instant::now();
        match tokio::time::timeout(Self::LIMIT, self.log.head()).await {
            Ok(Ok(_)) => {
                *read = Some(asked);
                Ok(())
            }
            Ok(Err(error)) => Err(StoreUnavailable(format!("no lease without the log: {error}"))),
            Err(_) => Err(StoreUnavailable("no lease without the log, which does not answer".to_owned())),
        }
    }
}

fn micros(ttl: Duration) -> Value<'static> {
    Value::Int(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX))
}

fn named(lease: &Lease) -> Vec<Value<'_>> {
    vec![Value::text(&lease.job), Value::text(&lease.owner), Value::Int(lease.epoch)]
}

impl Db {
    /// Grants and prolongs leases only while this node can read `log`. An embedded database, which one process has
    /// to itself, takes no notice.
    pub(crate) fn lease_with(&self, log: Arc<dyn EventStore>) {
        if let Self::Postgres(postgres) = self {
            postgres.lease_with(LogReach::new(log));
        }
    }

    async fn log_in_reach(&self) -> Result<(), StoreUnavailable> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(postgres) => postgres.log_in_reach().await,
        }
    }

    pub(crate) async fn acquire_lease(
        &self,
        table: &LeaseTable,
        job: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreUnavailable> {
        self.log_in_reach().await?;
        let dialect = self.dialect();
        let mut values = vec![Value::text(job), Value::text(owner)];
        let sql = match dialect {
            Dialect::Sqlite => table.acquire_sqlite,
            Dialect::Postgres => {
                values.push(micros(ttl));
                table.acquire_postgres
            }
        };
        let epoch = limited(LIMIT, async {
            let mut tx = self.begin().await?;
            let rows = tx.query(sql.into_sql_str(), args(dialect, values)?).await?;
            tx.commit().await?;
            rows.first().map(|row| row.int(0)).transpose()
        })
        .await?;
        Ok(epoch.map(|epoch| Lease { job: job.to_owned(), owner: owner.to_owned(), epoch }))
    }

    pub(crate) async fn renew_lease(
        &self,
        table: &LeaseTable,
        lease: &Lease,
        ttl: Duration,
    ) -> Result<bool, StoreUnavailable> {
        self.log_in_reach().await?;
        let mut values = named(lease);
        let sql = match self.dialect() {
            Dialect::Sqlite => table.renew_sqlite,
            Dialect::Postgres => {
                values.push(micros(ttl));
                table.renew_postgres
            }
        };
        Ok(self.change(sql, values).await? == 1)
    }

    pub(crate) async fn release_lease(
        &self,
        table: &LeaseTable,
        lease: &Lease,
    ) -> Result<(), StoreUnavailable> {
        self.change(table.release, named(lease)).await.map(drop)
    }
}

/// Implements the lease port for a store with a field `db`, on one table.
macro_rules! leases_in {
    ($store:ty, $table:expr) => {
        #[async_trait::async_trait]
        impl domain::ports::lease::Leases for $store {
            async fn acquire(
                &self,
                job: &str,
                owner: &str,
                ttl: std::time::Duration,
            ) -> Result<Option<domain::ports::lease::Lease>, domain::ports::StoreUnavailable> {
                self.db.acquire_lease(&$table, job, owner, ttl).await
            }

            async fn renew(
                &self,
                lease: &domain::ports::lease::Lease,
                ttl: std::time::Duration,
            ) -> Result<bool, domain::ports::StoreUnavailable> {
                self.db.renew_lease(&$table, lease, ttl).await
            }

            async fn release(
                &self,
                lease: &domain::ports::lease::Lease,
            ) -> Result<(), domain::ports::StoreUnavailable> {
                self.db.release_lease(&$table, lease).await
            }
        }
    };
}
pub(crate) use leases_in;
