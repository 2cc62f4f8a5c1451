//! Rate-limit buckets that several nodes share: one row per bucket, timed by the database's clock.

use domain::ports::StoreUnavailable;
use sqlx::Row as _;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::db::{KeysDb, unavailable};

/// The most buckets that one exchange returns.
const MOST: i64 = 10_000;
/// The most rows that one exchange deletes.
const SWEPT: i64 = 1_000;
/// Each exchange reads again what changed in the last so many microseconds: a statement that waited for a lock
/// carries an older time than others that were read before it.
const OVERLAP: i64 = 3_000_000;

/// What a bucket limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BucketKind {
    Key,
    Client,
    /// Logins from one network address.
    LoginAddress,
    /// Logins of one email address.
    LoginEmail,
    /// Logins of one email address from one network address.
    LoginPair,
}

/// Name of a bucket: the id of a key or client, or the beginning of a hash. Contains nothing personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName {
    pub kind: BucketKind,
    /// Id of the key or client, or the beginning of a hash.
    pub id: Uuid,
}

/// What a node admitted since its last exchange. All times are relative and in nanoseconds, so that the clocks of
/// the nodes need not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketShare {
    pub name: BucketName,
    /// Nanoseconds from now until the bucket has paid for all that the node knows of; negative when it already has.
    pub lead: i64,
    /// Cost of what the node admitted, in nanoseconds of the bucket's rate.
    pub taken: i64,
    /// Nanoseconds since the first of it was admitted.
    pub age: i64,
}

/// A bucket as all nodes together see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedBucket {
    pub name: BucketName,
    /// Nanoseconds from now until the bucket has paid for all that was admitted.
    pub lead: i64,
}

/// Result of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// Buckets that changed since the last exchange.
    pub buckets: Vec<SharedBucket>,
    /// Timestamp to pass to the next exchange.
    pub seen: i64,
}

/// The buckets in the key store, when that is a server that several nodes use.
#[derive(Debug, Clone)]
pub struct SharedBuckets(PgPool);

impl KeysDb {
    /// The shared buckets; `None` on an embedded store, which has only one node.
    #[must_use]
    pub fn shared_buckets(&self) -> Option<SharedBuckets> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(pool) => Some(SharedBuckets(pool.clone())),
        }
    }
}

/// Adds a node's shares to the rows. An idle bucket starts anew at the first admission, and no row falls behind
/// what the reporting node knows. A row changed ten seconds from now or later was written before the server's clock
/// was set back and is ignored.
const TELL: &str = "INSERT INTO limit_buckets AS b (kind, id, tat, since, taken, changed_at) \
    SELECT s.kind, s.id, n.ns + s.lead, n.ns - s.age, s.taken, n.us \
    FROM unnest($1::smallint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) \
        AS s (kind, id, lead, taken, age), \
        (SELECT us, us * 1000 AS ns FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) AS t) \
        AS n \
    ORDER BY s.kind, s.id \
    ON CONFLICT (kind, id) DO UPDATE SET \
        tat = CASE WHEN b.changed_at > excluded.changed_at + 10000000 THEN excluded.tat \
            ELSE greatest(greatest(b.tat, excluded.since) + excluded.taken, excluded.tat) END, \
        since = excluded.since, taken = excluded.taken, \
        changed_at = CASE WHEN b.changed_at > excluded.changed_at + 10000000 THEN excluded.changed_at \
            ELSE greatest(b.changed_at, excluded.changed_at) END";
const LEARN: &str = "SELECT kind, id, tat - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000, changed_at \
    FROM limit_buckets, \
    (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) AS n \
    WHERE changed_at > least($1, n.us - 3000000) AND changed_at <= n.us + 10000000 ORDER BY changed_at DESC LIMIT $2";
const SWEEP: &str = "DELETE FROM limit_buckets WHERE (kind, id) IN (SELECT kind, id FROM limit_buckets \
    WHERE tat < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000 ORDER BY tat LIMIT $1 \
    FOR UPDATE SKIP LOCKED)";

impl SharedBuckets {
    /// Reports what this node admitted, and returns what changed since `seen` (0 at first). Fails when the store
    /// cannot be reached; then nothing was reported.
    pub async fn exchange(&self, shares: &[BucketShare], seen: i64) -> Result<Exchanged, StoreUnavailable> {
        if !shares.is_empty() {
            self.tell(shares).await.map_err(unavailable)?;
        }
        // the shares are reported: a failure of the rest must not report them again
        Ok(self.learn(seen).await.unwrap_or(Exchanged { buckets: Vec::new(), seen }))
    }

    async fn tell(&self, shares: &[BucketShare]) -> Result<(), sqlx::Error> {
        let kinds: Vec<i16> = shares.iter().map(|share| share.name.kind.number()).collect();
        let ids: Vec<Uuid> = shares.iter().map(|share| share.name.id).collect();
        let leads: Vec<i64> = shares.iter().map(|share| share.lead).collect();
        let taken: Vec<i64> = shares.iter().map(|share| share.taken).collect();
        let ages: Vec<i64> = shares.iter().map(|share| share.age).collect();
        let tell = sqlx::query(TELL).bind(kinds).bind(ids).bind(leads).bind(taken).bind(ages);
        tell.execute(&self.0).await.map(drop)
    }

    async fn learn(&self, seen: i64) -> Result<Exchanged, sqlx::Error> {
        let rows = sqlx::query(LEARN).bind(seen - OVERLAP).bind(MOST).fetch_all(&self.0).await?;
        let (mut buckets, mut seen) = (Vec::with_capacity(rows.len()), seen);
        for row in rows {
            seen = seen.max(row.try_get(3)?);
            if let Some(kind) = BucketKind::of(row.try_get(0)?) {
                let name = BucketName { kind, id: row.try_get(1)? };
                buckets.push(SharedBucket { name, lead: row.try_get(2)? });
            }
        }
        sqlx::query(SWEEP).bind(SWEPT).execute(&self.0).await?;
        Ok(Exchanged { buckets, seen })
    }
}

impl BucketKind {
    fn number(self) -> i16 {
        match self {
            Self::Key => 1,
            Self::Client => 2,
            Self::LoginAddress => 3,
            Self::LoginEmail => 4,
            Self::LoginPair => 5,
        }
    }

    fn of(number: i16) -> Option<Self> {
        [Self::Key, Self::Client, Self::LoginAddress, Self::LoginEmail, Self::LoginPair]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}
