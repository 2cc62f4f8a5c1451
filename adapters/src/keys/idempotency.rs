//! The store of idempotency keys, in the key database.

use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::idempotency::{Ask, Begun, Finished, IdempotencyKeys, KeyName, Reservation};
use domain::ports::vault::Sealed;
use sqlx::Row as _;
use uuid::Uuid;

use super::db::{KeysDb, on, unavailable};
use super::presence::Presence;
use crate::database::Part;
use crate::trace::{database, within};

/// The longest a step may take; a client with an idempotency key then gets 503 instead of no answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How often a step reads again because another request changed the key in between.
const LOOKS: u32 = 8;
/// Lock time of a reservation that was given back; any time is later.
const GIVEN_BACK: i64 = 0;

const RESERVE: &str = "INSERT INTO idempotency_keys \
    (client_id, key_hash, request_hash, seed, locked_until, created_at, expires_at, holder) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (client_id, key_hash) DO NOTHING";
const LOOK: &str = "SELECT request_hash, seed, locked_until, expires_at, sealed_under, answer, holder \
    FROM idempotency_keys WHERE client_id = $1 AND key_hash = $2";
/// Replaces an expired key; the seed identifies the row that was read.
const RESERVE_ANEW: &str = "UPDATE idempotency_keys SET request_hash = $3, seed = $4, locked_until = $5, \
    created_at = $6, expires_at = $7, holder = $8, sealed_under = NULL, answer = NULL \
    WHERE client_id = $1 AND key_hash = $2 AND seed = $9";
const TAKE_OVER: &str = "UPDATE idempotency_keys SET locked_until = $4, holder = $6 \
    WHERE client_id = $1 AND key_hash = $2 AND seed = $3 AND locked_until = $5 AND answer IS NULL";
const FINISH: &str = "UPDATE idempotency_keys SET sealed_under = $4, answer = $5 \
    WHERE client_id = $1 AND key_hash = $2 AND seed = $3 AND answer IS NULL";
const RELEASE: &str = "UPDATE idempotency_keys SET locked_until = $4 \
    WHERE client_id = $1 AND key_hash = $2 AND seed = $3 AND locked_until = $5 AND answer IS NULL";
const FREE: &str = "DELETE FROM idempotency_keys \
    WHERE client_id = $1 AND key_hash = $2 AND seed = $3 AND locked_until = $4 AND answer IS NULL";
const RELEASE_ALL: &str =
    "UPDATE idempotency_keys SET locked_until = $1 WHERE answer IS NULL AND locked_until <> $1";
const FORGET_ANSWERS: &str = "UPDATE idempotency_keys SET sealed_under = NULL, answer = NULL, locked_until = $2 \
    WHERE client_id = $1 AND answer IS NOT NULL";
const EXPIRE: &str = "DELETE FROM idempotency_keys WHERE (client_id, key_hash) IN \
    (SELECT client_id, key_hash FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 + 0)";

/// [`IdempotencyKeys`] on SQLite or PostgreSQL.
#[derive(Debug, Clone)]
pub struct SqlIdempotency {
    db: KeysDb,
    presence: Option<Presence>,
}

struct Row {
    request: Vec<u8>,
    seed: Uuid,
    locked_until: i64,
    expires_at: i64,
    answer: Option<Sealed>,
    holder: Option<Uuid>,
}

/// Runs a statement that changes keys; answers how many rows it changed.
macro_rules! change {
    ($db:expr, $sql:expr, $($value:expr),*) => {
        on!($db, pool => sqlx::query($sql)$(.bind($value))*.execute(pool).await.map(|done| done.rows_affected()))
    };
}

impl SqlIdempotency {
    /// Stores the keys in `db`.
    #[must_use]
    pub fn new(db: KeysDb) -> Self {
        Self { db, presence: None }
    }

    /// Makes the keys name this node as their holder: other nodes take over a dead node's reservation at once, and
    /// not only after it expires.
    #[must_use]
    pub fn of_node(self, presence: Option<Presence>) -> Self {
        Self { presence, ..self }
    }

    async fn is_dead(&self, holder: Option<Uuid>) -> Result<bool, sqlx::Error> {
        match (&self.presence, holder) {
            (Some(presence), Some(holder)) => presence.is_dead(holder).await,
            _ => Ok(false),
        }
    }

    async fn look(&self, key: &KeyName) -> Result<Option<Row>, sqlx::Error> {
        on!(&self.db, pool => {
            let row = sqlx::query(LOOK).bind(key.client.0).bind(&key.hash[..]).fetch_optional(pool).await?;
            row.map(|row| {
                let (under, answer): (Option<Uuid>, Option<Vec<u8>>) = (row.try_get(4)?, row.try_get(5)?);
                Ok(Row {
                    request: row.try_get(0)?,
                    seed: row.try_get(1)?,
                    locked_until: row.try_get(2)?,
                    expires_at: row.try_get(3)?,
                    holder: row.try_get(6)?,
                    answer: under.zip(answer).map(|(key, bytes)| Sealed { key, bytes: bytes.into() }),
                })
            })
            .transpose()
        })
    }

    async fn reserve(&self, ask: &Ask) -> Result<Begun, sqlx::Error> {
        let Ask { key: KeyName { client, hash }, request, seed, now, .. } = ask;
        let (until, expires) = (*now + ask.lock_for, *now + ask.keep_for);
        let (now, until_micros) = (now.timestamp_micros(), until.timestamp_micros());
        let (expires, longest) = (expires.timestamp_micros(), (until + ask.lock_for).timestamp_micros());
        let holder = self.presence.as_ref().and_then(Presence::named);
        let held = |seed| Reservation { key: ask.key, seed, until };
        for _ in 0..LOOKS {
            let reserved = change!(
                &self.db,
                RESERVE,
                client.0,
                &hash[..],
                &request[..],
                seed,
                until_micros,
                now,
                expires,
                holder
            )?;
            if reserved == 1 {
                return Ok(Begun::Fresh(held(*seed)));
            }
            let Some(row) = self.look(&ask.key).await? else { continue };
            if row.expires_at <= now {
                let renewed = change!(
                    &self.db,
                    RESERVE_ANEW,
                    client.0,
                    &hash[..],
                    &request[..],
                    seed,
                    until_micros,
                    now,
                    expires,
                    holder,
                    row.seed
                )?;
                match renewed {
                    1 => return Ok(Begun::Fresh(held(*seed))),
                    _ => continue,
                }
            }
            if row.request != request {
                return Ok(Begun::Reused);
            }
            if let Some(answer) = row.answer {
                return Ok(Begun::Done(answer));
            }
            // a lock far longer than any request was written before the clock was set back
            let is_held = row.locked_until > now && row.locked_until <= longest;
            if is_held && !self.is_dead(row.holder).await? {
                return Ok(Begun::InFlight);
            }
            let taken = change!(
                &self.db,
                TAKE_OVER,
                client.0,
                &hash[..],
                row.seed,
                until_micros,
                row.locked_until,
                holder
            )?;
            if taken == 1 {
                return Ok(Begun::TakenOver(held(row.seed)));
            }
        }
        // another request that keeps being faster is working on this key
        Ok(Begun::InFlight)
    }

    fn span(&self, sql: &str) -> tracing::Span {
        database(self.db.system(), Part::Keys.word(), sql)
    }

    async fn keep(&self, held: &Reservation, answer: &Sealed) -> Result<Finished, sqlx::Error> {
        let KeyName { client, hash } = &held.key;
        let kept =
            change!(&self.db, FINISH, client.0, &hash[..], held.seed, answer.key, answer.bytes.as_slice())?;
        if kept == 1 {
            return Ok(Finished::Kept);
        }
        let row = self.look(&held.key).await?.filter(|row| row.seed == held.seed);
        Ok(row.and_then(|row| row.answer).map_or(Finished::Forgotten, Finished::Before))
    }
}

async fn limited<T>(step: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreUnavailable> {
    match tokio::time::timeout(LIMIT, step).await {
        Ok(done) => done.map_err(unavailable),
        Err(_) => Err(StoreUnavailable(format!("no answer within {LIMIT:?}"))),
    }
}

#[async_trait]
impl IdempotencyKeys for SqlIdempotency {
    async fn begin(&self, ask: &Ask) -> Result<Begun, StoreUnavailable> {
        within(self.span(RESERVE), limited(self.reserve(ask))).await
    }

    async fn finish(&self, held: &Reservation, answer: &Sealed) -> Result<Finished, StoreUnavailable> {
        within(self.span(FINISH), limited(self.keep(held, answer))).await
    }

    async fn release(&self, held: &Reservation) -> Result<(), StoreUnavailable> {
        let KeyName { client, hash } = &held.key;
        let until = held.until.timestamp_micros();
        let released =
            async { change!(&self.db, RELEASE, client.0, &hash[..], held.seed, GIVEN_BACK, until) };
        limited(released).await.map(drop)
    }

    async fn free(&self, held: &Reservation) -> Result<(), StoreUnavailable> {
        let KeyName { client, hash } = &held.key;
        let until = held.until.timestamp_micros();
        limited(async { change!(&self.db, FREE, client.0, &hash[..], held.seed, until) }).await.map(drop)
    }

    async fn release_all(&self) -> Result<u64, StoreUnavailable> {
        limited(async { change!(&self.db, RELEASE_ALL, GIVEN_BACK) }).await
    }

    async fn forget_answers(&self, client: ClientId) -> Result<u64, StoreUnavailable> {
        // without the time limit: a client may have many keys
        let forgotten = async { change!(&self.db, FORGET_ANSWERS, client.0, GIVEN_BACK) };
        forgotten.await.map_err(unavailable)
    }

    async fn expire(&self, now: Time, limit: u32) -> Result<u64, StoreUnavailable> {
        limited(async { change!(&self.db, EXPIRE, now.timestamp_micros(), i64::from(limit)) }).await
    }
}
