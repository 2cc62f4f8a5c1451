//! Keeps the newest sealed head of the log in the key database, to detect a log that was cut.

use async_trait::async_trait;
use domain::merkle::{Hash, KeptHead};
use domain::ports::StoreUnavailable;
use domain::ports::head_keeper::{HeadKeeper, KeepError};
use uuid::Uuid;

use super::KeyVault;
use super::db::{on, unavailable};

/// Label of the data key that authenticates the kept head.
const LABEL: &str = "kept head";
/// How often a write is retried after another node was faster.
const TRIES: usize = 8;

const GET: &str = "SELECT log, size, root, code FROM kept_head WHERE only_row = 1";
const ADD: &str = "INSERT INTO kept_head (only_row, log, size, root, code, kept_at) \
    VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT (only_row) DO NOTHING";
/// Replaces the row only if it is still the one that was read: of two nodes the faster one wins, and
/// the other reads again.
const REPLACE: &str = "UPDATE kept_head SET log = $1, size = $2, root = $3, code = $4, kept_at = $5 \
    WHERE only_row = 1 AND code = $6";
const FORCE: &str = "INSERT INTO kept_head (only_row, log, size, root, code, kept_at) \
    VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT (only_row) DO UPDATE SET log = excluded.log, \
    size = excluded.size, root = excluded.root, code = excluded.code, kept_at = excluded.kept_at";

/// A [`HeadKeeper`] on the database of keys.
#[derive(Debug, Clone)]
pub struct SqlHeadKeeper(KeyVault);

impl KeyVault {
    /// A keeper of the log's newest sealed head, beside these keys.
    #[must_use]
    pub fn head_keeper(&self) -> SqlHeadKeeper {
        SqlHeadKeeper(self.clone())
    }
}

/// A kept head with its MAC.
type Row = (KeptHead, Vec<u8>);

impl SqlHeadKeeper {
    async fn row(&self) -> Result<Option<Row>, KeepError> {
        let (db, ..) = self.0.parts();
        let row: Option<(Uuid, i64, Vec<u8>, Vec<u8>)> =
            on!(db, pool => sqlx::query_as(GET).fetch_optional(pool).await).map_err(unavailable)?;
        let Some((log, size, root, code)) = row else { return Ok(None) };
        let root = Hash::from_slice(&root).ok_or(KeepError::Forged)?;
        Ok(Some((KeptHead { log, size: size.unsigned_abs(), root }, code)))
    }

    /// The kept head and its MAC, if the MAC is right.
    async fn read(&self) -> Result<Option<Row>, KeepError> {
        // read the row first: the key and the first row are created in one transaction
        let row = self.row().await?;
        match (row, self.0.existing(LABEL).await?) {
            (None, None) => Ok(None),
            (None, Some(_)) => match self.row().await? {
                None => Err(KeepError::Gone),
                // another node wrote the first row meanwhile
                Some(row) => self.authentic(row).await.map(Some),
            },
            (Some(_), None) => Err(KeepError::Forged),
            (Some(row), Some(key)) if row.0.is_authentic(&key, &row.1) => Ok(Some(row)),
            (Some(_), Some(_)) => Err(KeepError::Forged),
        }
    }

    async fn authentic(&self, row: Row) -> Result<Row, KeepError> {
        let key = self.0.existing(LABEL).await?.ok_or(KeepError::Forged)?;
        if row.0.is_authentic(&key, &row.1) { Ok(row) } else { Err(KeepError::Forged) }
    }

    /// Creates the key and stores `head` in one transaction, so that a key without a head proves that the head was
    /// removed. Answers `false` when there is a key already.
    async fn begin(&self, head: &KeptHead) -> Result<bool, KeepError> {
        let (db, _, clock, _) = self.0.parts();
        let (key, bytes) = self.0.new_key()?;
        let (now, code) = (clock.now().timestamp_micros(), head.code(&bytes));
        let begun: Result<bool, sqlx::Error> = async {
            on!(db, pool => {
                let mut tx = pool.begin().await?;
                let made = sqlx::query(KeyVault::ADD_KEY).bind(key.id).bind(key.owner).bind(LABEL)
                    .bind(&key.master_id).bind(&key.wrapped).bind(now).execute(&mut *tx).await?.rows_affected();
                if made == 0 {
                    tx.rollback().await?;
                    return Ok(false);
                }
                sqlx::query(ADD).bind(head.log).bind(number(head.size)).bind(&head.root.0[..]).bind(&code[..])
                    .bind(now).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(true)
            })
        }
        .await;
        Ok(begun.map_err(unavailable)?)
    }

    /// Runs one of the statements; answers whether it changed a row.
    async fn write(&self, sql: &'static str, head: &KeptHead, old: Option<&[u8]>) -> Result<bool, KeepError> {
        let (db, _, clock, _) = self.0.parts();
        let key = self.0.existing(LABEL).await?.ok_or(KeepError::Gone)?;
        let code = head.code(&key);
        let now = clock.now().timestamp_micros();
        let changed = on!(db, pool => {
            let query = sqlx::query(sql).bind(head.log).bind(number(head.size)).bind(&head.root.0[..])
                .bind(&code[..]).bind(now);
            match old {
                Some(old) => query.bind(old).execute(pool).await.map(|done| done.rows_affected()),
                None => query.execute(pool).await.map(|done| done.rows_affected()),
            }
        });
        Ok(changed.map_err(unavailable)? > 0)
    }
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[async_trait]
impl HeadKeeper for SqlHeadKeeper {
    async fn kept(&self) -> Result<Option<KeptHead>, KeepError> {
        Ok(self.read().await?.map(|(head, _)| head))
    }

    async fn keep(&self, head: &KeptHead) -> Result<(), KeepError> {
        for _ in 0..TRIES {
            let kept = match self.read().await? {
                Some(kept) => kept,
                None if self.begin(head).await? => return Ok(()),
                None => continue,
            };
            match &kept.0 {
                kept if kept.size > 0 && kept.log != head.log => return Err(KeepError::OtherLog(kept.log)),
                kept if kept.size == head.size && kept != head => {
                    return Err(KeepError::Conflict { size: kept.size });
                }
                kept if kept.size >= head.size => return Ok(()),
                _ => {}
            }
            if self.write(REPLACE, head, Some(&kept.1)).await? {
                return Ok(());
            }
        }
        Err(StoreUnavailable("other nodes keep heads faster".to_owned()).into())
    }

    async fn keep_instead(&self, head: &KeptHead) -> Result<(), KeepError> {
        if self.begin(head).await? {
            return Ok(());
        }
        self.write(FORCE, head, None).await.map(drop)
    }
}
