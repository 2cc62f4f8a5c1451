//! The store of deliveries, for the process manager and the delivery sender.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use domain::envelope::{EventRef, Position, Time, Version};
use domain::ids::{ClientId, DeliveryId, EndpointId};
use domain::ports::StoreUnavailable;
use domain::ports::deliveries::{DeliveryChange, DeliveryStats, DeliveryStore, DueDelivery, StoredTarget};
use domain::ports::lease::Lease;
use domain::ports::outbox::OutboxError;
use domain::webhook::delivery::DeliveryOf;

use super::SqlOutbox;
use super::followers::Follower;
use crate::sql::batch::BULK;
use crate::sql::db::{limited, unavailable};
use crate::sql::tenant::Of;
use crate::sql::value::{SqlRow, Value};

/// The longest that a commit may take: a replay may be large.
const LIMIT: Duration = Duration::from_secs(60);

const DUE: &str = "SELECT id, client_id, event_id, event_type, position, subject_id, due, earlier, version \
    FROM work_deliveries WHERE endpoint_id = $1 AND status = 'pending' AND due <= $2 \
    ORDER BY due, position LIMIT $3 + 0";
const NEXT_DUE: &str = "SELECT due FROM work_deliveries WHERE endpoint_id = $1 AND status = 'pending' AND due > $2 \
    ORDER BY due LIMIT 1";
const STATS: &str = "SELECT (SELECT count(*) FROM work_deliveries WHERE status = 'pending'), \
    (SELECT min(due) FROM work_deliveries WHERE status = 'pending' AND due <= $1)";

fn due(row: &SqlRow, endpoint: EndpointId) -> Result<DueDelivery, sqlx::Error> {
    Ok(DueDelivery {
        id: DeliveryId(row.uuid(0)?),
        client: ClientId(row.uuid(1)?),
        of: DeliveryOf {
            endpoint,
            event: row.uuid(2)?,
            event_type: row.text(3)?,
            source: row.position(4)?,
            subject: row.uuid(5)?,
        },
        due: row.time(6)?,
        before: u32::try_from(row.int(7)?).unwrap_or(u32::MAX),
        version: Version(row.count(8)?),
    })
}

impl SqlOutbox {
    async fn read_system<T>(
        &self,
        sql: String,
        values: Vec<Value<'_>>,
        read: impl Fn(&SqlRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreUnavailable> {
        let rows = self.db.rows(Of::System, sql, values).await?;
        let items: Result<Vec<_>, _> = rows.iter().map(read).collect();
        items.map_err(|error| unavailable(&error))
    }
}

#[async_trait]
impl DeliveryStore for SqlOutbox {
    async fn checkpoint(&self) -> Result<EventRef, StoreUnavailable> {
        self.follower_checkpoint(Follower::Deliveries).await
    }

    async fn start_anew(&self) -> Result<(), StoreUnavailable> {
        self.begin_anew(Follower::Deliveries).await
    }

    async fn commit(
        &self,
        lease: &Lease,
        expected: Position,
        to: EventRef,
        changes: &[DeliveryChange],
    ) -> Result<(), OutboxError> {
        let committed = limited(LIMIT, async {
            let mut tx = self.db.begin().await?;
            if !self.advance(&mut tx, Follower::Deliveries, lease, (expected, to)).await? {
                return Ok(false);
            }
            self.apply_deliveries(&mut tx, changes).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await?;
        if committed { Ok(()) } else { Err(OutboxError::Deposed) }
    }

    async fn targets(&self) -> Result<Vec<StoredTarget>, StoreUnavailable> {
        let sql = "SELECT endpoint_id, client_id, doc FROM work_targets".to_owned();
        let target = |row: &SqlRow| {
            Ok(StoredTarget {
                endpoint: EndpointId(row.uuid(0)?),
                client: ClientId(row.uuid(1)?),
                doc: row.text(2)?,
            })
        };
        self.read_system(sql, Vec::new(), target).await
    }

    async fn due(
        &self,
        endpoint: EndpointId,
        now: Time,
        limit: usize,
    ) -> Result<Vec<DueDelivery>, StoreUnavailable> {
        let values = vec![Value::Uuid(endpoint.0), Value::Time(now), Value::count(limit as u64)];
        self.read_system(DUE.to_owned(), values, |row| due(row, endpoint)).await
    }

    async fn next_due(&self, endpoint: EndpointId, now: Time) -> Result<Option<Time>, StoreUnavailable> {
        let values = vec![Value::Uuid(endpoint.0), Value::Time(now)];
        Ok(self.read_system(NEXT_DUE.to_owned(), values, |row| row.time(0)).await?.pop())
    }

    async fn bodies(&self, positions: &[Position]) -> Result<Vec<(Position, Bytes)>, StoreUnavailable> {
        let mut bodies = Vec::with_capacity(positions.len());
        for portion in positions.chunks(BULK) {
            let marks: Vec<_> = (1..=portion.len()).map(|at| format!("${at}")).collect();
            let sql = format!(
                "SELECT position, body FROM work_public_events WHERE position IN ({})",
                marks.join(", ")
            );
            let values = portion.iter().map(|position| Value::position(*position)).collect();
            bodies.extend(
                self.read_system(sql, values, |row| Ok((row.position(0)?, Bytes::from(row.bytes(1)?))))
                    .await?,
            );
        }
        Ok(bodies)
    }

    async fn shift(&self, lease: &Lease, by: TimeDelta) -> Result<(), StoreUnavailable> {
        self.shift_due(lease, by, &["work_deliveries"]).await
    }

    async fn stats(&self, now: Time) -> Result<DeliveryStats, StoreUnavailable> {
        let stats =
            |row: &SqlRow| Ok(DeliveryStats { pending: row.count(0)?, oldest_due: row.time_option(1)? });
        let found = self.read_system(STATS.to_owned(), vec![Value::Time(now)], stats).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    async fn sweep(&self, before: Time, limit: usize) -> Result<u64, StoreUnavailable> {
        let bounds = || vec![Value::Time(before), Value::count(limit as u64)];
        // the first rows are the oldest ones: ids of attempts and positions grow with time
        let attempts = "DELETE FROM work_attempts WHERE id IN (SELECT id FROM \
            (SELECT id, created_at FROM work_attempts ORDER BY id LIMIT $2 + 0) AS oldest WHERE created_at < $1)";
        let deliveries = "DELETE FROM work_deliveries WHERE id IN (SELECT id FROM \
            (SELECT id, created_at FROM work_deliveries ORDER BY position LIMIT $2 + 0) AS oldest WHERE created_at < $1)";
        // deliveries that remain of an event need its body
        let events = "DELETE FROM work_public_events WHERE position IN (SELECT position FROM \
            (SELECT position, created_at FROM work_public_events ORDER BY position LIMIT $2 + 0) AS oldest \
            WHERE created_at < $1) AND NOT EXISTS \
            (SELECT 1 FROM work_deliveries d WHERE d.position = work_public_events.position)";
        let mut removed = 0;
        for sql in [attempts, deliveries, events] {
            removed += self.db.change(sql, bounds()).await?;
        }
        Ok(removed)
    }
}
