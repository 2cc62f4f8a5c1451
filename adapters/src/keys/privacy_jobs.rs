//! Open erasure and export jobs, and the collected exports.

use domain::envelope::Time;
use domain::ids::{ClientId, PrivacyJobId};
use domain::ports::StoreUnavailable;
use domain::ports::privacy::OpenJob;
use domain::ports::vault::Sealed;
use sqlx::Row as _;
use uuid::Uuid;

use super::db::{KeysDb, on, unavailable};

/// Open jobs and collected exports in the key database.
#[derive(Debug, Clone)]
pub struct PrivacyJobs {
    db: KeysDb,
}

const OPEN: &str = "INSERT INTO privacy_jobs (id, client_id, created_at) VALUES ($1, $2, $3) \
                    ON CONFLICT (id) DO NOTHING";
const LIST: &str = "SELECT id, client_id, created_at FROM privacy_jobs ORDER BY created_at, id LIMIT $1 + 0";
const CLOSE: &str = "DELETE FROM privacy_jobs WHERE id = $1";
const KEEP: &str = "INSERT INTO privacy_exports (id, client_id, sealed_under, doc, expires_at) \
                    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
                    sealed_under = excluded.sealed_under, doc = excluded.doc, expires_at = excluded.expires_at";
const KEPT: &str = "SELECT sealed_under, doc FROM privacy_exports \
                    WHERE id = $1 AND client_id = $2 AND expires_at > $3";
const DROP: &str = "DELETE FROM privacy_exports WHERE client_id = $1";
const EXPIRE: &str = "DELETE FROM privacy_exports WHERE expires_at <= $1";

impl KeysDb {
    /// The erasure and export jobs in this database.
    #[must_use]
    pub fn privacy_jobs(&self) -> PrivacyJobs {
        PrivacyJobs { db: self.clone() }
    }
}

/// Runs a statement; answers how many rows it changed.
macro_rules! run {
    ($db:expr, $sql:expr $(, $value:expr)*) => {
        on!($db, pool => sqlx::query($sql)$(.bind($value))*.execute(pool).await.map(|done| done.rows_affected()))
            .map_err(unavailable)
    };
}

impl PrivacyJobs {
    pub(crate) async fn open(&self, job: OpenJob) -> Result<(), StoreUnavailable> {
        run!(&self.db, OPEN, job.id.0, job.client.0, job.since.timestamp_micros()).map(drop)
    }

    pub(crate) async fn list(&self, limit: u32) -> Result<Vec<OpenJob>, StoreUnavailable> {
        let rows: Result<Vec<(Uuid, Uuid, i64)>, sqlx::Error> = on!(&self.db, pool => {
            sqlx::query(LIST).bind(i64::from(limit)).fetch_all(pool).await.and_then(|rows| {
                rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
            })
        });
        let job = |(id, client, since)| OpenJob {
            id: PrivacyJobId(id),
            client: ClientId(client),
            since: Time::from_timestamp_micros(since).unwrap_or_default(),
        };
        Ok(rows.map_err(unavailable)?.into_iter().map(job).collect())
    }

    pub(crate) async fn close(&self, job: PrivacyJobId) -> Result<(), StoreUnavailable> {
        run!(&self.db, CLOSE, job.0).map(drop)
    }

    pub(crate) async fn keep(&self, job: OpenJob, doc: &Sealed, until: Time) -> Result<(), StoreUnavailable> {
        let (bytes, until) = (doc.bytes.as_slice(), until.timestamp_micros());
        run!(&self.db, KEEP, job.id.0, job.client.0, doc.key, bytes, until).map(drop)
    }

    pub(crate) async fn kept(
        &self,
        client: ClientId,
        job: PrivacyJobId,
        now: Time,
    ) -> Result<Option<Sealed>, StoreUnavailable> {
        let now = now.timestamp_micros();
        let row: Result<Option<(Uuid, Vec<u8>)>, sqlx::Error> = on!(&self.db, pool => {
            sqlx::query(KEPT).bind(job.0).bind(client.0).bind(now).fetch_optional(pool).await
                .and_then(|row| row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose())
        });
        Ok(row.map_err(unavailable)?.map(|(key, bytes)| Sealed { key, bytes: bytes.into() }))
    }

    /// Deletes all exports of a client.
    pub(crate) async fn drop_exports(&self, client: ClientId) -> Result<u64, StoreUnavailable> {
        run!(&self.db, DROP, client.0)
    }

    /// Deletes the expired exports.
    pub(crate) async fn expire(&self, now: Time) -> Result<u64, StoreUnavailable> {
        run!(&self.db, EXPIRE, now.timestamp_micros())
    }
}
