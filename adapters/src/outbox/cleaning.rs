//! Removes erased data from public events and delivery attempts, and from the database files.

use bytes::Bytes;
use domain::envelope::Position;
use domain::ports::StoreUnavailable;
use uuid::Uuid;

use super::SqlOutbox;
use crate::sql::db::{limited, made};
use crate::sql::value::Value;

/// Rows changed in one transaction.
const BATCH: usize = 500;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
/// Tables that hold, or held, personal data.
const TABLES: [&str; 3] = ["work_public_events", "work_attempts", "work_outbox"];

impl SqlOutbox {
    /// Replaces the bodies of public events; answers how many rows changed. Fails when the rows cannot be written.
    pub async fn replace_bodies(&self, bodies: &[(Position, Bytes)]) -> Result<u64, StoreUnavailable> {
        let sql = "UPDATE work_public_events SET body = $2 WHERE position = $1";
        let values =
            |(position, body): &(Position, Bytes)| [Value::position(*position), Value::Blob(body.to_vec())];
        self.replace(sql, bodies, values).await
    }

    /// Replaces the stored views of delivery attempts; answers how many rows changed. Fails when the
    /// rows cannot be written.
    pub async fn replace_attempts(&self, attempts: &[(Uuid, String)]) -> Result<u64, StoreUnavailable> {
        let sql = "UPDATE work_attempts SET doc = $2 WHERE id = $1";
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

    /// Removes every byte of changed or deleted rows from the files: rewrites an embedded database and empties its
    /// journal, or vacuums a server's tables. Fails when the database refuses.
    pub async fn scrub(&self) -> Result<(), StoreUnavailable> {
        self.db.scrub(&TABLES).await
    }
}
