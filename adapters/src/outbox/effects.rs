//! The outbox of effects, and the timers.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::call::{Timer, Work};
use domain::envelope::{EventRef, Position, Time};
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::lease::Lease;
use domain::ports::outbox::{Cause, OutboxError, OutboxItem, OutboxStore, TimerItem, WorkChange, WorkStats};
use uuid::Uuid;

use super::SqlOutbox;
use super::changes::Net;
use super::followers::Follower;
use crate::sql::db::{Tx, args, limited, made, unavailable};
use crate::sql::tenant::Of;
use crate::sql::value::{Dialect, Kind, SqlRow, Value};

/// The longest that a commit may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Condition for ordered effects: due only once no earlier ordered effect of the same call is left.
const FREE: &str = "(NOT o.ordered OR NOT EXISTS (SELECT 1 FROM work_outbox e WHERE e.call_id = o.call_id AND e.ordered \
    AND (e.position < o.position OR (e.position = o.position AND e.effect_id < o.effect_id))))";
const POSTPONE: &str = "UPDATE work_outbox SET due = $2, attempts = $3, last_error = $4 WHERE effect_id = $1";
const EFFECT: &str = "o.effect_id, o.call_id, o.client_id, o.work, o.due, o.attempts, o.position, o.event_id, \
    o.correlation_id, o.traceparent";
const DUE_TIMERS: &str = "SELECT call_id, timer, client_id, due, event_id, correlation_id, traceparent \
    FROM work_timers WHERE due <= $1 ORDER BY due, call_id, timer LIMIT $2 + 0";
const FIRED: &str = "DELETE FROM work_timers WHERE call_id = $1 AND timer = $2 AND due = $3";

const EFFECT_KINDS: [Kind; 11] = [
    Kind::Uuid,
    Kind::Uuid,
    Kind::Uuid,
    Kind::Text,
    Kind::Bool,
    Kind::Time,
    Kind::Int,
    Kind::Int,
    Kind::Uuid,
    Kind::Uuid,
    Kind::Text,
];
const TIMER_KINDS: [Kind; 7] =
    [Kind::Uuid, Kind::Text, Kind::Uuid, Kind::Time, Kind::Uuid, Kind::Uuid, Kind::Text];

fn effect_values(item: &OutboxItem) -> [Value<'_>; 11] {
    [
        Value::Uuid(item.effect_id),
        Value::Uuid(item.subject),
        Value::Uuid(item.client.0),
        Value::text(item.work.as_str()),
        Value::Bool(item.work.is_ordered()),
        Value::Time(item.due),
        Value::Int(i64::from(item.attempts)),
        Value::position(item.position),
        Value::Uuid(item.cause.event_id),
        Value::Uuid(item.cause.correlation_id),
        Value::text_option(item.cause.traceparent.as_deref()),
    ]
}

fn timer_values(item: &TimerItem) -> [Value<'_>; 7] {
    [
        Value::Uuid(item.subject),
        Value::text(item.timer.as_str()),
        Value::Uuid(item.client.0),
        Value::Time(item.due),
        Value::Uuid(item.cause.event_id),
        Value::Uuid(item.cause.correlation_id),
        Value::text_option(item.cause.traceparent.as_deref()),
    ]
}

fn cause(row: &SqlRow, from: usize) -> Result<Cause, sqlx::Error> {
    Ok(Cause {
        event_id: row.uuid(from)?,
        correlation_id: row.uuid(from + 1)?,
        traceparent: row.text_option(from + 2)?,
    })
}

fn unknown(word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{word:?} is no work this version knows").into())
}

fn effect(row: &SqlRow) -> Result<OutboxItem, sqlx::Error> {
    let work = row.text(3)?;
    Ok(OutboxItem {
        effect_id: row.uuid(0)?,
        subject: row.uuid(1)?,
        client: ClientId(row.uuid(2)?),
        work: Work::from_name(&work).ok_or_else(|| unknown(&work))?,
        due: row.time(4)?,
        attempts: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
        position: row.position(6)?,
        cause: cause(row, 7)?,
    })
}

fn timer(row: &SqlRow) -> Result<TimerItem, sqlx::Error> {
    let timer = row.text(1)?;
    Ok(TimerItem {
        subject: row.uuid(0)?,
        timer: Timer::from_name(&timer).ok_or_else(|| unknown(&timer))?,
        client: ClientId(row.uuid(2)?),
        due: row.time(3)?,
        cause: cause(row, 4)?,
    })
}

impl SqlOutbox {
    async fn remove_effects(&self, tx: &mut Tx, effect_ids: &[Uuid]) -> Result<(), sqlx::Error> {
        let sql = |rows: &str| format!("DELETE FROM work_outbox WHERE effect_id IN (VALUES {rows})");
        self.db.batched(tx, effect_ids, [Kind::Uuid], sql, |effect_id| Ok([Value::Uuid(*effect_id)])).await
    }

    async fn apply(&self, tx: &mut Tx, net: &Net<'_>) -> Result<(), sqlx::Error> {
        let closed: Vec<_> = net.closed.iter().copied().collect();
        for table in ["work_outbox", "work_timers"] {
            let sql = |rows: &str| format!("DELETE FROM {table} WHERE call_id IN (VALUES {rows})");
            self.db.batched(tx, &closed, [Kind::Uuid], sql, |id| Ok([Value::Uuid(*id)])).await?;
        }
        let done: Vec<_> = net.done.iter().copied().collect();
        self.remove_effects(tx, &done).await?;
        let disarmed: Vec<_> = net.disarmed.iter().copied().collect();
        let sql = |rows: &str| format!("DELETE FROM work_timers WHERE (call_id, timer) IN (VALUES {rows})");
        let values = |(call, timer): &(Uuid, &'static str)| Ok([Value::Uuid(*call), Value::text(timer)]);
        self.db.batched(tx, &disarmed, [Kind::Uuid, Kind::Text], sql, values).await?;
        let effects: Vec<_> = net.effects.values().copied().collect();
        let sql = |rows: &str| {
            format!(
                "INSERT INTO work_outbox (effect_id, call_id, client_id, work, ordered, due, attempts, position, \
                 event_id, correlation_id, traceparent) VALUES {rows} ON CONFLICT (effect_id) DO NOTHING"
            )
        };
        self.db.batched(tx, &effects, EFFECT_KINDS, sql, |item| Ok(effect_values(item))).await?;
        let timers: Vec<_> = net.timers.values().copied().collect();
        let sql = |rows: &str| {
            format!(
                "INSERT INTO work_timers (call_id, timer, client_id, due, event_id, correlation_id, traceparent) \
                 VALUES {rows} ON CONFLICT (call_id, timer) DO UPDATE SET due = excluded.due, \
                 event_id = excluded.event_id, correlation_id = excluded.correlation_id, \
                 traceparent = excluded.traceparent"
            )
        };
        self.db.batched(tx, &timers, TIMER_KINDS, sql, |item| Ok(timer_values(item))).await
    }

    async fn read_all<T>(
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

impl SqlOutbox {
    /// Moves the due times of whole tables, if the lease still holds.
    pub(super) async fn shift_due(
        &self,
        lease: &Lease,
        by: TimeDelta,
        tables: &[&'static str],
    ) -> Result<(), StoreUnavailable> {
        let dialect = self.db.dialect();
        let step = match dialect {
            Dialect::Sqlite => "$1",
            Dialect::Postgres => "$1 * interval '1 microsecond'",
        };
        limited(LIMIT, async {
            let mut tx = self.db.begin().await?;
            for table in tables {
                let sql = format!(
                    "UPDATE {table} SET due = due + {step} WHERE due IS NOT NULL AND EXISTS \
                     (SELECT 1 FROM work_leases WHERE job = $2 AND owner = $3 AND epoch = $4)"
                );
                let values = [
                    Value::Int(by.num_microseconds().unwrap_or_default()),
                    Value::text(&lease.job),
                    Value::text(&lease.owner),
                    Value::Int(lease.epoch),
                ];
                tx.execute(made(sql), args(dialect, values)?).await?;
            }
            tx.commit().await
        })
        .await
    }
}

#[async_trait]
impl OutboxStore for SqlOutbox {
    async fn checkpoint(&self) -> Result<EventRef, StoreUnavailable> {
        self.follower_checkpoint(Follower::Outbox).await
    }

    async fn start_anew(&self) -> Result<(), StoreUnavailable> {
        self.begin_anew(Follower::Outbox).await
    }

    async fn commit(
        &self,
        lease: &Lease,
        expected: Position,
        to: EventRef,
        changes: &[WorkChange],
    ) -> Result<(), OutboxError> {
        let net = Net::of(changes);
        let committed = limited(LIMIT, async {
            let mut tx = self.db.begin().await?;
            if !self.advance(&mut tx, Follower::Outbox, lease, (expected, to)).await? {
                return Ok(false);
            }
            self.apply(&mut tx, &net).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await?;
        if committed { Ok(()) } else { Err(OutboxError::Deposed) }
    }

    async fn due_effects(&self, now: Time, limit: usize) -> Result<Vec<OutboxItem>, StoreUnavailable> {
        let sql = format!(
            "SELECT {EFFECT} FROM work_outbox o WHERE o.due <= $1 AND {FREE} \
             ORDER BY o.due, o.position, o.effect_id LIMIT $2 + 0"
        );
        self.read_all(sql, vec![Value::Time(now), Value::count(limit as u64)], effect).await
    }

    async fn effects(&self, limit: usize) -> Result<Vec<OutboxItem>, StoreUnavailable> {
        let sql = format!("SELECT {EFFECT} FROM work_outbox o LIMIT $1 + 0");
        self.read_all(sql, vec![Value::count(limit as u64)], effect).await
    }

    async fn next_effect(&self) -> Result<Option<Time>, StoreUnavailable> {
        let sql = format!("SELECT o.due FROM work_outbox o WHERE {FREE} ORDER BY o.due LIMIT 1");
        Ok(self.read_all(sql, Vec::new(), |row| row.time(0)).await?.pop())
    }

    async fn postpone(
        &self,
        effect_id: Uuid,
        due: Time,
        attempts: u32,
        error: &str,
    ) -> Result<(), StoreUnavailable> {
        let values = vec![
            Value::Uuid(effect_id),
            Value::Time(due),
            Value::Int(i64::from(attempts)),
            Value::Text(error.replace('\0', "\u{fffd}").into()),
        ];
        self.db.change(POSTPONE, values).await.map(drop)
    }

    async fn finish(&self, effect_ids: &[Uuid]) -> Result<(), StoreUnavailable> {
        limited(LIMIT, async {
            let mut tx = self.db.begin().await?;
            self.remove_effects(&mut tx, effect_ids).await?;
            tx.commit().await
        })
        .await
    }

    async fn due_timers(&self, now: Time, limit: usize) -> Result<Vec<TimerItem>, StoreUnavailable> {
        self.read_all(DUE_TIMERS.to_owned(), vec![Value::Time(now), Value::count(limit as u64)], timer).await
    }

    async fn fired(&self, timer: &TimerItem) -> Result<(), StoreUnavailable> {
        let values =
            vec![Value::Uuid(timer.subject), Value::text(timer.timer.as_str()), Value::Time(timer.due)];
        self.db.change(FIRED, values).await.map(drop)
    }

    async fn next_timer(&self) -> Result<Option<Time>, StoreUnavailable> {
        let sql = "SELECT due FROM work_timers ORDER BY due LIMIT 1".to_owned();
        Ok(self.read_all(sql, Vec::new(), |row| row.time(0)).await?.pop())
    }

    async fn shift(&self, lease: &Lease, by: TimeDelta) -> Result<(), StoreUnavailable> {
        self.shift_due(lease, by, &["work_outbox", "work_timers"]).await
    }

    async fn stats(&self, now: Time) -> Result<WorkStats, StoreUnavailable> {
        let sql = "SELECT (SELECT count(*) FROM work_outbox), (SELECT min(due) FROM work_outbox WHERE due <= $1), \
                   (SELECT count(*) FROM work_timers)";
        let stats = |row: &SqlRow| {
            Ok(WorkStats { effects: row.count(0)?, oldest_due: row.time_option(1)?, timers: row.count(2)? })
        };
        let found = self.read_all(sql.to_owned(), vec![Value::Time(now)], stats).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }
}
