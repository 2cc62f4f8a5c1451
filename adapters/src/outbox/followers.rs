//! The checkpoints of the process managers that turn the log into work.

use domain::envelope::{EventRef, Position};
use domain::ports::StoreUnavailable;
use domain::ports::lease::Lease;
use sqlx::SqlSafeStr as _;

use super::SqlOutbox;
use crate::sql::db::{Tx, args, limited, made, unavailable};
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, Value};

const CHECKPOINT: &str = "SELECT position, event_id FROM work_followers WHERE name = $1";
const ADVANCE: &str = "UPDATE work_followers SET position = $1, event_id = $2 WHERE name = $3 AND position = $4 \
    AND EXISTS (SELECT 1 FROM work_leases WHERE job = $5 AND owner = $6 AND epoch = $7)";
const BEGIN_ANEW: &str = "UPDATE work_followers SET position = 0, event_id = NULL WHERE name = $1";
/// The longest that a reset may take: a large log has many rows.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(600);

/// A process manager that derives rows from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follower {
    /// Derives effects and timers.
    Outbox,
    /// Derives public events, deliveries and attempts.
    Deliveries,
}

impl Follower {
    fn name(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Deliveries => "deliveries",
        }
    }

    /// The tables that it fills.
    fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Outbox => &["work_outbox", "work_timers"],
            Self::Deliveries => &["work_attempts", "work_deliveries", "work_public_events", "work_targets"],
        }
    }
}

impl SqlOutbox {
    pub(super) async fn follower_checkpoint(&self, follower: Follower) -> Result<EventRef, StoreUnavailable> {
        let row = self.db.row(Of::Nobody, CHECKPOINT, [Value::text(follower.name())]).await?;
        let Some(row) = row else { return Ok(EventRef::START) };
        let read = || Ok(EventRef { position: row.position(0)?, id: row.uuid_option(1)? });
        read().map_err(|error: sqlx::Error| unavailable(&error))
    }

    /// Moves a process manager's checkpoint if the lease still holds and the checkpoint is the expected one;
    /// answers whether it moved.
    pub(super) async fn advance(
        &self,
        tx: &mut Tx,
        follower: Follower,
        lease: &Lease,
        (expected, to): (Position, EventRef),
    ) -> Result<bool, sqlx::Error> {
        let values = [
            Value::position(to.position),
            to.id.map_or(Value::Null(Kind::Uuid), Value::Uuid),
            Value::text(follower.name()),
            Value::position(expected),
            Value::text(&lease.job),
            Value::text(&lease.owner),
            Value::Int(lease.epoch),
        ];
        Ok(tx.execute(ADVANCE.into_sql_str(), args(self.db.dialect(), values)?).await? == 1)
    }

    /// Deletes everything that a process manager derived, and moves its checkpoint before the first event.
    pub(super) async fn begin_anew(&self, follower: Follower) -> Result<(), StoreUnavailable> {
        limited(LIMIT, async {
            let mut tx = self.db.begin().await?;
            for table in follower.tables() {
                let delete = made(format!("DELETE FROM {table}"));
                tx.execute(delete, args(self.db.dialect(), [])?).await?;
            }
            let name = args(self.db.dialect(), [Value::text(follower.name())])?;
            tx.execute(BEGIN_ANEW.into_sql_str(), name).await?;
            tx.commit().await
        })
        .await
    }
}
