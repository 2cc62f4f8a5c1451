//! Encrypted snapshots of long streams, as rows.

use chrono::TimeDelta;
use domain::envelope::{StreamId, Time, Version};
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use sqlx::SqlSafeStr as _;
use uuid::Uuid;

use super::SqlOutbox;
use crate::sql::db::unavailable;
use crate::sql::tenant::Of;
use crate::sql::value::Value;

const LOAD: &str = "SELECT version, event_id, state FROM work_snapshots \
    WHERE client_id = $1 AND stream = $2 AND rules = $3";
const SAVE: &str = "INSERT INTO work_snapshots (stream, client_id, rules, version, event_id, state, saved_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (client_id, stream) DO UPDATE SET rules = excluded.rules, \
    version = excluded.version, event_id = excluded.event_id, state = excluded.state, saved_at = excluded.saved_at";
const FORGET: &str = "DELETE FROM work_snapshots WHERE saved_at < $1";
/// Age at which unused snapshots are deleted: a stream not loaded for so long is seldom loaded again.
const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// A snapshot as it is stored.
#[derive(Debug)]
pub(crate) struct SealedSnapshot {
    pub(crate) client: ClientId,
    pub(crate) version: Version,
    /// Id of the event at that version.
    pub(crate) event: Uuid,
    /// The state, encrypted under the keys of all persons whose data it contains.
    pub(crate) state: Vec<u8>,
}

impl SqlOutbox {
    /// The snapshot of a stream, if it was made by the same `rules` (fingerprint of the state's code).
    pub(crate) async fn snapshot(
        &self,
        client: ClientId,
        stream: &StreamId,
        rules: &str,
    ) -> Result<Option<SealedSnapshot>, StoreUnavailable> {
        let stream = stream.to_string();
        let values = [Value::Uuid(client.0), Value::text(&stream), Value::text(rules)];
        let row = self.db.row(Of::Client(client), LOAD, values).await?;
        let Some(row) = row else { return Ok(None) };
        let read = || {
            Ok(SealedSnapshot {
                client,
                version: Version(row.count(0)?),
                event: row.uuid(1)?,
                state: row.bytes(2)?,
            })
        };
        read().map(Some).map_err(|error: sqlx::Error| unavailable(&error))
    }

    /// Replaces the stream's older snapshot, and deletes old snapshots.
    pub(crate) async fn keep_snapshot(
        &self,
        stream: &StreamId,
        rules: &str,
        kept: SealedSnapshot,
        now: Time,
    ) -> Result<(), StoreUnavailable> {
        let values = [
            Value::Text(stream.to_string().into()),
            Value::Uuid(kept.client.0),
            Value::Text(rules.to_owned().into()),
            Value::count(kept.version.0),
            Value::Uuid(kept.event),
            Value::Blob(kept.state),
            Value::Time(now),
        ];
        let bound = |values| self.db.args(values).map_err(|error| unavailable(&error));
        self.db.execute(SAVE.into_sql_str(), bound(values.to_vec())?).await?;
        self.db.execute(FORGET.into_sql_str(), bound(vec![Value::Time(now - KEPT_FOR)])?).await?;
        Ok(())
    }
}
