//! Leases, kept beside the data they fence.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::StoreUnavailable;
use domain::ports::lease::{Lease, Leases};
use sqlx::SqlSafeStr;

use super::db::{SqlViews, args, limited};
use super::sql::{Dialect, Value};

/// Judged by the server's clock, in one statement. An owner that comes back keeps its epoch. A lease that runs longer
/// than any is given was given before that clock was set back.
const ACQUIRE_POSTGRES: &str = "INSERT INTO leases AS l (job, owner, epoch, expires_at) \
    VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 microsecond') \
    ON CONFLICT (job) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at, \
    epoch = CASE WHEN l.owner = excluded.owner THEN l.epoch ELSE l.epoch + 1 END \
    WHERE l.owner = excluded.owner OR l.owner = '' OR l.expires_at <= clock_timestamp() \
    OR l.expires_at > clock_timestamp() + 2 * $3 * interval '1 microsecond' RETURNING epoch";
/// The file is locked by this process: whoever asks here is the only one there is.
const ACQUIRE_SQLITE: &str = "INSERT INTO leases AS l (job, owner, epoch) VALUES ($1, $2, 1) \
    ON CONFLICT (job) DO UPDATE SET owner = excluded.owner, \
    epoch = CASE WHEN l.owner = excluded.owner THEN l.epoch ELSE l.epoch + 1 END RETURNING epoch";
const RENEW_POSTGRES: &str = "UPDATE leases SET expires_at = clock_timestamp() + $4 * interval '1 microsecond' \
    WHERE job = $1 AND owner = $2 AND epoch = $3";
const RENEW_SQLITE: &str = "UPDATE leases SET owner = $2 WHERE job = $1 AND owner = $2 AND epoch = $3";
/// The row stays, so that epochs go on growing.
const RELEASE: &str = "UPDATE leases SET owner = '' WHERE job = $1 AND owner = $2 AND epoch = $3";

/// The longest any of this may take: a lease that comes later than it lasts is of no use.
const LIMIT: Duration = Duration::from_secs(5);

fn micros(ttl: Duration) -> Value<'static> {
    Value::Int(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX))
}

fn named(lease: &Lease) -> Vec<Value<'_>> {
    vec![Value::text(&lease.job), Value::text(&lease.owner), Value::Int(lease.epoch)]
}

#[async_trait]
impl Leases for SqlViews {
    async fn acquire(
        &self,
        job: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreUnavailable> {
        let dialect = self.db.dialect();
        let mut values = vec![Value::text(job), Value::text(owner)];
        let sql = match dialect {
            Dialect::Sqlite => ACQUIRE_SQLITE,
            Dialect::Postgres => {
                values.push(micros(ttl));
                ACQUIRE_POSTGRES
            }
        };
        let epoch = limited(LIMIT, async {
            let mut tx = self.db.begin().await?;
            let rows = tx.query(sql.into_sql_str(), args(dialect, values)?).await?;
            tx.commit().await?;
            rows.first().map(|row| row.int(0)).transpose()
        })
        .await?;
        Ok(epoch.map(|epoch| Lease { job: job.to_owned(), owner: owner.to_owned(), epoch }))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreUnavailable> {
        let mut values = named(lease);
        let sql = match self.db.dialect() {
            Dialect::Sqlite => RENEW_SQLITE,
            Dialect::Postgres => {
                values.push(micros(ttl));
                RENEW_POSTGRES
            }
        };
        Ok(self.change(sql, values).await? == 1)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreUnavailable> {
        self.change(RELEASE, named(lease)).await.map(drop)
    }
}
