//! Taking what was erased out of what is derived from the log and is no view, and out of the files.

use bytes::Bytes;
use domain::envelope::Position;
use domain::ports::StoreUnavailable;
use sqlx::Executor as _;
use uuid::Uuid;

use super::db::{Db, SqlViews, limited, made, unavailable};
use super::sql::Value;

/// Rows changed in one transaction.
const BATCH: usize = 500;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
/// How often a reader in the way of emptying the journal is waited for.
const TRIES: u32 = 50;
/// Tables that hold, or held, something of a person.
const TABLES: [&str; 13] = [
    "calls",
    "transcript_lines",
    "conversations",
    "messages",
    "numbers",
    "users",
    "agents",
    "audit_log",
    "ivr_menus",
    "ivr_sessions",
    "public_events",
    "webhook_attempts",
    "outbox",
];

impl SqlViews {
    /// Replaces the bodies of public events; answers how many there were.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn replace_bodies(&self, bodies: &[(Position, Bytes)]) -> Result<u64, StoreUnavailable> {
        let sql = "UPDATE public_events SET body = $2 WHERE position = $1";
        let values =
            |(position, body): &(Position, Bytes)| [Value::position(*position), Value::Blob(body.to_vec())];
        self.replace(sql, bodies, values).await
    }

    /// Replaces attempts of deliveries as they are shown; answers how many there were.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn replace_attempts(&self, attempts: &[(Uuid, String)]) -> Result<u64, StoreUnavailable> {
        let sql = "UPDATE webhook_attempts SET doc = $2 WHERE id = $1";
        let values = |(id, doc): &(Uuid, String)| [Value::Uuid(*id), Value::Text(doc.clone().into())];
        self.replace(sql, attempts, values).await
    }

    async fn replace<T>(
        &self,
        sql: &'static str,
        rows: &[T],
        values: impl Fn(&T) -> [Value<'static>; 2],
    ) -> Result<u64, StoreUnavailable> {
        let mut changed = 0;
        for rows in rows.chunks(BATCH) {
            changed += limited(PATIENCE, async {
                let mut tx = self.db.begin().await?;
                let mut changed = 0;
                for row in rows {
                    changed += tx.execute(made(sql), self.db.args(values(row))?).await?;
                }
                tx.commit().await?;
                Ok(changed)
            })
            .await?;
        }
        Ok(changed)
    }

    /// Leaves no byte of rows that were changed or deleted in the files: an embedded database is written anew and
    /// its journal emptied; a server takes the dead rows out.
    ///
    /// # Errors
    /// When the database does not do so.
    pub async fn scrub(&self) -> Result<(), StoreUnavailable> {
        match &self.db {
            Db::Sqlite(sqlite) => limited(PATIENCE, sqlite.scrub(TRIES)).await,
            Db::Postgres(postgres) => {
                for table in TABLES {
                    let vacuum = made(format!("VACUUM {table}"));
                    postgres.workers().execute(vacuum).await.map_err(|error| unavailable(&error))?;
                }
                Ok(())
            }
        }
    }
}
