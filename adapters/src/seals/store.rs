//! Stores the tiles and heads of the Merkle tree.

use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::Time;
use domain::merkle::{Hash, Tile, TileId};
use domain::ports::StoreUnavailable;
use domain::ports::seals::{Head, SealStore};
use sqlx::Row as _;

use super::SealsDb;
use super::db::on;

/// Inserts or extends a tile. A tile only grows: a shorter one is ignored.
const PUT_TILE: &str = "INSERT INTO seal_tiles (level, number, hashes) VALUES ($1, $2, $3) \
    ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes \
    WHERE length(excluded.hashes) > length(seal_tiles.hashes)";
const ADD_HEAD: &str = "INSERT INTO seal_heads (size, root, note, sealed_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (size) DO NOTHING";
const TILE: &str = "SELECT hashes FROM seal_tiles WHERE level = $1 AND number = $2";
const LATEST: &str = "SELECT size, root, note, sealed_at FROM seal_heads ORDER BY size DESC LIMIT 1";
const COVERING: &str =
    "SELECT size, root, note, sealed_at FROM seal_heads WHERE size >= $1 ORDER BY size LIMIT 1";
const BEYOND: &str =
    "SELECT size, root, note, sealed_at FROM seal_heads WHERE size > $1 ORDER BY size LIMIT $2 + 0";
const BEFORE: &str =
    "SELECT size, root, note, sealed_at FROM seal_heads WHERE size < $1 ORDER BY size DESC LIMIT $2 + 0";
const KEEP_HEADS: &str = "INSERT INTO superseded_heads (superseded_at, size, root, note, sealed_at) \
    SELECT $1, size, root, note, sealed_at FROM seal_heads";
const KEEP_TILES: &str = "INSERT INTO superseded_tiles (superseded_at, level, number, hashes) \
    SELECT $1, level, number, hashes FROM seal_tiles";
/// Removes the trigger that guards stored heads; only the owner of the table can, within one transaction.
const SQLITE_UNGUARDED: &str = "DROP TRIGGER IF EXISTS heads_are_never_deleted";
const SQLITE_GUARDED: &str = "CREATE TRIGGER heads_are_never_deleted BEFORE DELETE ON seal_heads \
    BEGIN SELECT RAISE(ABORT, 'a signed head is never deleted'); END";
const POSTGRES_UNGUARDED: &str = "ALTER TABLE seal_heads DISABLE TRIGGER heads_are_never_changed";
const POSTGRES_GUARDED: &str = "ALTER TABLE seal_heads ENABLE TRIGGER heads_are_never_changed";
/// The longest that a step may take.
const LIMIT: Duration = Duration::from_secs(30);

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

async fn limited<T>(step: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreUnavailable> {
    match tokio::time::timeout(LIMIT, step).await {
        Ok(done) => done.map_err(|error| StoreUnavailable(crate::database::in_words(&error))),
        Err(_) => Err(StoreUnavailable("the seals did not answer in time".to_owned())),
    }
}

/// A stored head: size, root, signed note, and time of sealing.
type HeadRow = (i64, Vec<u8>, String, i64);

fn head((size, root, note, sealed_at): HeadRow) -> Result<Head, sqlx::Error> {
    let bad = |what: &str| sqlx::Error::Decode(format!("a head has a bad {what}").into());
    Ok(Head {
        size: size.unsigned_abs(),
        root: Hash::from_slice(&root).ok_or_else(|| bad("root"))?,
        note,
        sealed_at: Time::from_timestamp_micros(sealed_at).ok_or_else(|| bad("time"))?,
    })
}

impl SealsDb {
    /// Adds heads and the tiles that changed up to the last of them, as [`SealStore::append`] adds one: all or none.
    pub async fn append_all(&self, tiles: &[Tile], heads: &[Head]) -> Result<(), StoreUnavailable> {
        limited(async {
            on!(self, pool => {
                let mut tx = pool.begin().await?;
                for tile in tiles {
                    let (level, index) = (i32::from(tile.id.level), number(tile.id.index));
                    sqlx::query(PUT_TILE).bind(level).bind(index).bind(tile.to_bytes()).execute(&mut *tx).await?;
                }
                for head in heads {
                    sqlx::query(ADD_HEAD)
                        .bind(number(head.size))
                        .bind(&head.root.0[..])
                        .bind(&head.note)
                        .bind(head.sealed_at.timestamp_micros())
                        .execute(&mut *tx)
                        .await?;
                }
                tx.commit().await
            })
        })
        .await
    }
}

#[async_trait]
impl SealStore for SealsDb {
    async fn append(&self, tiles: &[Tile], head: &Head) -> Result<(), StoreUnavailable> {
        self.append_all(tiles, std::slice::from_ref(head)).await
    }

    async fn set_aside(&self, at: Time) -> Result<u64, StoreUnavailable> {
        let at = at.timestamp_micros();
        limited(async {
            let (before, after) = match self {
                Self::Sqlite(_) => (SQLITE_UNGUARDED, SQLITE_GUARDED),
                Self::Postgres(_) => (POSTGRES_UNGUARDED, POSTGRES_GUARDED),
            };
            on!(self, pool => {
                let mut tx = pool.begin().await?;
                sqlx::raw_sql(before).execute(&mut *tx).await?;
                let moved = sqlx::query(KEEP_HEADS).bind(at).execute(&mut *tx).await?.rows_affected();
                sqlx::query(KEEP_TILES).bind(at).execute(&mut *tx).await?;
                sqlx::query("DELETE FROM seal_heads").execute(&mut *tx).await?;
                sqlx::query("DELETE FROM seal_tiles").execute(&mut *tx).await?;
                sqlx::raw_sql(after).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(moved)
            })
        })
        .await
    }

    async fn tiles(&self, ids: &[TileId]) -> Result<Vec<Tile>, StoreUnavailable> {
        limited(async {
            let mut tiles = Vec::with_capacity(ids.len());
            on!(self, pool => {
                let mut connection = pool.acquire().await?;
                for id in ids {
                    let query = sqlx::query(TILE).bind(i32::from(id.level)).bind(number(id.index));
                    let Some(row) = query.fetch_optional(&mut *connection).await? else { continue };
                    tiles.extend(Tile::from_bytes(*id, &row.try_get::<Vec<u8>, _>(0)?));
                }
            });
            Ok(tiles)
        })
        .await
    }

    async fn latest(&self) -> Result<Option<Head>, StoreUnavailable> {
        let read = async {
            let row: Option<HeadRow> = on!(self, pool => sqlx::query_as(LATEST).fetch_optional(pool).await)?;
            row.map(head).transpose()
        };
        limited(read).await
    }

    async fn covering(&self, size: u64) -> Result<Option<Head>, StoreUnavailable> {
        let read = async {
            let row: Option<HeadRow> =
                on!(self, pool => sqlx::query_as(COVERING).bind(number(size)).fetch_optional(pool).await)?;
            row.map(head).transpose()
        };
        limited(read).await
    }

    async fn heads(
        &self,
        from: Option<u64>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<Head>, StoreUnavailable> {
        let (sql, from) = match backwards {
            false => (BEYOND, from.map_or(0, number)),
            true => (BEFORE, from.map_or(i64::MAX, number)),
        };
        let limit = number(limit as u64);
        let read = async {
            let rows: Vec<HeadRow> =
                on!(self, pool => sqlx::query_as(sql).bind(from).bind(limit).fetch_all(pool).await)?;
            rows.into_iter().map(head).collect()
        };
        limited(read).await
    }
}
