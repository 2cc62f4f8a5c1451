//! Translates changes of deliveries into rows.

use std::collections::BTreeMap;

use domain::envelope::{Time, Version};
use domain::ids::{DeliveryId, EndpointId};
use domain::ports::deliveries::{DeliveryChange, NewDelivery, RecordedAttempt, Replay, StoredTarget};
use domain::webhook::delivery::{Cause, DeliveryOf, DeliveryStatus, GaveUp, Then};
use domain::webhook::public::PublicEvent;
use projections::webhooks::AttemptView;
use uuid::Uuid;

use super::SqlOutbox;
use crate::sql::db::{Tx, args, made};
use crate::sql::value::{Dialect, Kind, SqlRow, Value};

const NEW_DELIVERY: [Kind; 10] = [
    Kind::Uuid,
    Kind::Uuid,
    Kind::Uuid,
    Kind::Uuid,
    Kind::Text,
    Kind::Int,
    Kind::Uuid,
    Kind::Time,
    Kind::Time,
    Kind::Bool,
];

/// Rows that are written together, in any order: an attempt's result is compared with its row, and a delivery that
/// waits for one that has just ended is released by it.
#[derive(Default)]
struct Together<'c> {
    published: Vec<&'c PublicEvent>,
    free: Vec<&'c NewDelivery>,
    in_order: Vec<&'c NewDelivery>,
    attempts: Vec<&'c RecordedAttempt>,
}

fn new_delivery(new: &NewDelivery) -> [Value<'_>; 10] {
    [
        Value::Uuid(new.id.0),
        Value::Uuid(new.client.0),
        Value::Uuid(new.of.endpoint.0),
        Value::Uuid(new.of.event),
        Value::text(&new.of.event_type),
        Value::position(new.of.source),
        Value::Uuid(new.of.subject),
        Value::Time(new.at),
        Value::Time(new.due),
        Value::Bool(new.ordered),
    ]
}

fn insert_deliveries(rows: &str) -> String {
    format!(
        "WITH v (id, client_id, endpoint_id, event_id, event_type, position, subject_id, created_at, due, ordered) AS \
         (VALUES {rows}) INSERT INTO work_deliveries (id, client_id, endpoint_id, event_id, event_type, position, \
         subject_id, created_at, status, attempts, earlier, due, ordered, version) \
         SELECT id, client_id, endpoint_id, event_id, event_type, position, subject_id, created_at, 'pending', 0, 0, \
         due, ordered, 0 FROM v WHERE 1 = 1 ON CONFLICT (id) DO NOTHING"
    )
}

/// A delivery that waits for an earlier one has no due time; the end of the earlier one sets it.
fn insert_in_order(rows: &str) -> String {
    format!(
        "WITH v (id, client_id, endpoint_id, event_id, event_type, position, subject_id, created_at, due, ordered) AS \
         (VALUES {rows}) INSERT INTO work_deliveries (id, client_id, endpoint_id, event_id, event_type, position, \
         subject_id, created_at, status, attempts, earlier, due, ordered, version) \
         SELECT id, client_id, endpoint_id, event_id, event_type, position, subject_id, created_at, 'pending', 0, 0, \
         CASE WHEN EXISTS (SELECT 1 FROM work_deliveries e WHERE e.endpoint_id = v.endpoint_id \
         AND e.subject_id = v.subject_id AND e.ordered AND e.status = 'pending') THEN NULL ELSE due END, \
         ordered, 0 FROM v WHERE 1 = 1 ON CONFLICT (id) DO NOTHING"
    )
}

/// A delivery that was cancelled during the attempt stays cancelled unless the receiver accepted it. A delivery
/// that was requested again during an attempt starts anew: that attempt did not know of the request.
fn move_on(rows: &str) -> String {
    format!(
        "WITH v (id, status, attempts, round, due, at, version) AS (VALUES {rows}) UPDATE work_deliveries SET \
         attempts = v.attempts, version = v.version, \
         status = CASE WHEN work_deliveries.status = 'cancelled' AND v.status <> 'succeeded' THEN 'cancelled' \
         WHEN v.status = 'exhausted' AND v.attempts - work_deliveries.earlier <> v.round THEN 'pending' \
         WHEN v.status = 'exhausted' THEN 'failed' ELSE v.status END, \
         due = CASE WHEN work_deliveries.status = 'cancelled' AND v.status <> 'succeeded' THEN NULL \
         WHEN v.status = 'exhausted' AND v.attempts - work_deliveries.earlier <> v.round THEN v.at \
         ELSE v.due END \
         FROM v WHERE work_deliveries.id = v.id AND work_deliveries.version < v.version"
    )
}

/// Makes the next delivery due wherever the one before it has ended.
fn free_next(rows: &str) -> String {
    format!(
        "WITH v (id, at) AS (VALUES {rows}), next AS (SELECT (SELECT n.id FROM work_deliveries n \
         WHERE n.endpoint_id = d.endpoint_id AND n.subject_id = d.subject_id AND n.ordered AND n.status = 'pending' \
         ORDER BY n.position LIMIT 1) AS id, v.at AS at FROM v JOIN work_deliveries d ON d.id = v.id \
         WHERE d.ordered AND d.status <> 'pending') \
         UPDATE work_deliveries SET due = next.at FROM next \
         WHERE work_deliveries.id = next.id AND work_deliveries.due IS NULL"
    )
}

/// The row's status for what follows, and when the next attempt is due.
fn outcome(then: Then) -> (&'static str, Option<Time>) {
    match then {
        Then::Again { due } => (DeliveryStatus::Pending.as_str(), Some(due)),
        // becomes `failed`, unless it was requested again meanwhile
        Then::Failed { why: GaveUp::Exhausted } => ("exhausted", None),
        then => (DeliveryStatus::from(then).as_str(), None),
    }
}

fn time_or_null(time: Option<Time>) -> Value<'static> {
    time.map_or(Value::Null(Kind::Time), Value::Time)
}

impl SqlOutbox {
    pub(crate) async fn apply_deliveries(
        &self,
        tx: &mut Tx,
        changes: &[DeliveryChange],
    ) -> Result<(), sqlx::Error> {
        let mut together = Together::default();
        let mut targets: BTreeMap<EndpointId, Option<&StoredTarget>> = BTreeMap::new();
        for change in changes {
            match change {
                DeliveryChange::Publish(event) => together.published.push(event),
                DeliveryChange::Schedule(new) if new.ordered => together.in_order.push(new),
                DeliveryChange::Schedule(new) => together.free.push(new),
                DeliveryChange::Attempted(attempt) => together.attempts.push(attempt),
                DeliveryChange::Remember(target) => {
                    targets.insert(target.endpoint, Some(target));
                }
                DeliveryChange::Forget(endpoint) => {
                    targets.insert(*endpoint, None);
                }
                other => {
                    self.write(tx, std::mem::take(&mut together)).await?;
                    self.apply_one(tx, other).await?;
                }
            }
        }
        self.write(tx, together).await?;
        for (endpoint, target) in targets {
            match target {
                Some(target) => self.remember(tx, target).await?,
                None => {
                    let sql = "DELETE FROM work_targets WHERE endpoint_id = $1";
                    self.run(tx, sql, [Value::Uuid(endpoint.0)]).await?;
                }
            }
        }
        Ok(())
    }

    async fn run<'v>(
        &self,
        tx: &mut Tx,
        sql: &'static str,
        values: impl IntoIterator<Item = Value<'v>>,
    ) -> Result<u64, sqlx::Error> {
        tx.execute(made(sql), args(self.db.dialect(), values)?).await
    }

    async fn write(&self, tx: &mut Tx, together: Together<'_>) -> Result<(), sqlx::Error> {
        self.publish(tx, &together.published).await?;
        self.db
            .batched(tx, &together.free, NEW_DELIVERY, insert_deliveries, |new| Ok(new_delivery(new)))
            .await?;
        for new in together.in_order {
            // one at a time: each must see the one before
            self.db.batched(tx, &[new], NEW_DELIVERY, insert_in_order, |new| Ok(new_delivery(new))).await?;
        }
        self.attempted(tx, &together.attempts).await
    }

    async fn publish(&self, tx: &mut Tx, events: &[&PublicEvent]) -> Result<(), sqlx::Error> {
        let kinds =
            [Kind::Int, Kind::Uuid, Kind::Uuid, Kind::Text, Kind::Uuid, Kind::Uuid, Kind::Time, Kind::Bytes];
        let sql = |rows: &str| {
            format!(
                "INSERT INTO work_public_events (position, id, client_id, event_type, subject_id, agent_id, created_at, \
                 body) VALUES {rows} ON CONFLICT (position) DO NOTHING"
            )
        };
        let values = |event: &&PublicEvent| {
            let event: &PublicEvent = event;
            Ok([
                Value::position(event.position),
                Value::Uuid(event.id),
                Value::Uuid(event.client.0),
                Value::Text(event.event_type.clone().into()),
                Value::Uuid(event.subject),
                Value::uuid_option(event.agent.map(|agent| agent.0)),
                Value::Time(event.at),
                Value::Blob(event.body.to_vec()),
            ])
        };
        self.db.batched(tx, events, kinds, sql, values).await
    }

    async fn attempted(&self, tx: &mut Tx, attempts: &[&RecordedAttempt]) -> Result<(), sqlx::Error> {
        if attempts.is_empty() {
            return Ok(());
        }
        let tests: Vec<NewDelivery> = attempts
            .iter()
            .filter(|attempt| attempt.fact.cause == Cause::Test)
            .map(|attempt| NewDelivery {
                id: attempt.delivery,
                client: attempt.client,
                of: attempt.fact.of.clone(),
                at: attempt.fact.attempt.began_at,
                due: attempt.fact.attempt.began_at,
                ordered: false,
            })
            .collect();
        self.db
            .batched(tx, &tests, NEW_DELIVERY, insert_deliveries, |new| Ok(new_delivery(new).map(own)))
            .await?;
        // the newest change of each delivery: a statement sees the rows as they were before it
        let mut newest: BTreeMap<DeliveryId, &RecordedAttempt> = BTreeMap::new();
        for attempt in attempts {
            newest.insert(attempt.delivery, attempt);
        }
        let newest: Vec<_> = newest.into_values().collect();
        let kinds = [Kind::Uuid, Kind::Text, Kind::Int, Kind::Int, Kind::Time, Kind::Time, Kind::Int];
        let values = |attempt: &&RecordedAttempt| {
            let (status, due) = outcome(attempt.fact.then);
            Ok([
                Value::Uuid(attempt.delivery.0),
                Value::text(status),
                Value::Int(i64::from(attempt.fact.number)),
                Value::Int(i64::from(attempt.fact.round)),
                time_or_null(due),
                Value::Time(attempt.fact.at),
                Value::count(attempt.version.0),
            ])
        };
        self.db.batched(tx, &newest, kinds, move_on, values).await?;
        let over: Vec<_> = newest.iter().filter(|at| !matches!(at.fact.then, Then::Again { .. })).collect();
        let values = |at: &&&RecordedAttempt| Ok([Value::Uuid(at.delivery.0), Value::Time(at.fact.at)]);
        self.db.batched(tx, &over, [Kind::Uuid, Kind::Time], free_next, values).await?;
        self.insert_attempts(tx, attempts).await
    }

    async fn insert_attempts(&self, tx: &mut Tx, attempts: &[&RecordedAttempt]) -> Result<(), sqlx::Error> {
        let kinds = [
            Kind::Uuid,
            Kind::Uuid,
            Kind::Uuid,
            Kind::Uuid,
            Kind::Int,
            Kind::Time,
            Kind::Text,
            Kind::Bool,
            Kind::Text,
        ];
        let sql = |rows: &str| {
            format!(
                "INSERT INTO work_attempts (id, client_id, endpoint_id, delivery_id, number, created_at, event_type, \
                 succeeded, doc) VALUES {rows} ON CONFLICT (id) DO NOTHING"
            )
        };
        let values = |recorded: &&RecordedAttempt| {
            let (fact, view) = (&recorded.fact, AttemptView::of(recorded));
            let doc = serde_json::to_string(&view).map_err(|error| sqlx::Error::Encode(error.into()))?;
            Ok([
                Value::Uuid(recorded.id),
                Value::Uuid(recorded.client.0),
                Value::Uuid(fact.of.endpoint.0),
                Value::Uuid(recorded.delivery.0),
                Value::Int(i64::from(fact.number)),
                Value::Time(fact.attempt.began_at),
                Value::Text(fact.of.event_type.clone().into()),
                Value::Bool(fact.attempt.succeeded()),
                Value::Text(doc.into()),
            ])
        };
        self.db.batched(tx, attempts, kinds, sql, values).await
    }

    async fn apply_one(&self, tx: &mut Tx, change: &DeliveryChange) -> Result<(), sqlx::Error> {
        match change {
            DeliveryChange::Redeliver { delivery, due, version } => {
                let sql = "UPDATE work_deliveries SET status = 'pending', due = $2, earlier = attempts, version = $3 \
                           WHERE id = $1 AND version < $3";
                self.run(tx, sql, redelivery(*delivery, *due, *version)).await.map(drop)
            }
            DeliveryChange::Cancel { delivery, at, version } => {
                let sql = "UPDATE work_deliveries SET status = 'cancelled', due = NULL, version = $2 \
                           WHERE id = $1 AND status = 'pending'";
                self.run(tx, sql, [Value::Uuid(delivery.0), Value::count(version.0)]).await?;
                let over = [(delivery.0, *at)];
                let values = |(id, at): &(Uuid, Time)| Ok([Value::Uuid(*id), Value::Time(*at)]);
                self.db.batched(tx, &over, [Kind::Uuid, Kind::Time], free_next, values).await
            }
            DeliveryChange::CancelAll(endpoint) => {
                let sql = "UPDATE work_deliveries SET status = 'cancelled', due = NULL \
                           WHERE endpoint_id = $1 AND status = 'pending'";
                self.run(tx, sql, [Value::Uuid(endpoint.0)]).await.map(drop)
            }
            DeliveryChange::Unblock(endpoint, now) => {
                let sql = match self.db.dialect() {
                    Dialect::Sqlite => {
                        "UPDATE work_deliveries SET ordered = 0, due = COALESCE(due, $2) \
                         WHERE endpoint_id = $1 AND status = 'pending' AND ordered"
                    }
                    Dialect::Postgres => {
                        "UPDATE work_deliveries SET ordered = false, due = COALESCE(due, $2) \
                         WHERE endpoint_id = $1 AND status = 'pending' AND ordered"
                    }
                };
                self.run(tx, sql, [Value::Uuid(endpoint.0), Value::Time(*now)]).await.map(drop)
            }
            DeliveryChange::Replay(replay) => self.replay(tx, replay).await,
            DeliveryChange::Publish(_)
            | DeliveryChange::Schedule(_)
            | DeliveryChange::Attempted(_)
            | DeliveryChange::Remember(_)
            | DeliveryChange::Forget(_) => Ok(()),
        }
    }

    async fn remember(&self, tx: &mut Tx, target: &StoredTarget) -> Result<(), sqlx::Error> {
        let sql = "INSERT INTO work_targets (endpoint_id, client_id, doc) VALUES ($1, $2, $3) \
                   ON CONFLICT (endpoint_id) DO UPDATE SET doc = excluded.doc";
        let values = [Value::Uuid(target.endpoint.0), Value::Uuid(target.client.0), Value::text(&target.doc)];
        self.run(tx, sql, values).await.map(drop)
    }

    async fn replay(&self, tx: &mut Tx, replay: &Replay) -> Result<(), sqlx::Error> {
        let dialect = self.db.dialect();
        let (conditions, mut values) = replayed(replay, "event_type");
        let status = if replay.only_failed {
            "('failed', 'cancelled')"
        } else {
            "('succeeded', 'failed', 'cancelled')"
        };
        values.extend([Value::Uuid(replay.endpoint.0), Value::Time(replay.due)]);
        let (endpoint, due) = (values.len() - 1, values.len());
        let sql = format!(
            "UPDATE work_deliveries SET status = 'pending', earlier = attempts, due = ${due} \
             WHERE {conditions} AND endpoint_id = ${endpoint} AND status IN {status}"
        );
        tx.execute(made(sql), args(dialect, values)?).await?;
        if replay.only_failed {
            return Ok(());
        }
        let (conditions, mut values) = replayed(replay, "event_type");
        let agent = agent_condition(replay, &mut values);
        let sql = format!(
            "SELECT id, event_type, position, subject_id, created_at FROM work_public_events WHERE {conditions}{agent} \
             ORDER BY position"
        );
        let rows = tx.query(made(sql), args(dialect, values)?).await?;
        let missing: Result<Vec<_>, _> = rows.iter().map(|row| missing(replay, row)).collect();
        self.db
            .batched(tx, &missing?, NEW_DELIVERY, insert_deliveries, |new| Ok(new_delivery(new).map(own)))
            .await
    }
}

fn redelivery(delivery: DeliveryId, due: Time, version: Version) -> [Value<'static>; 3] {
    [Value::Uuid(delivery.0), Value::Time(due), Value::count(version.0)]
}

fn missing(replay: &Replay, row: &SqlRow) -> Result<NewDelivery, sqlx::Error> {
    let event = row.uuid(0)?;
    Ok(NewDelivery {
        id: DeliveryId::of(replay.endpoint, event),
        client: replay.client,
        of: DeliveryOf {
            endpoint: replay.endpoint,
            event,
            event_type: row.text(1)?,
            source: row.position(2)?,
            subject: row.uuid(3)?,
        },
        at: row.time(4)?,
        due: replay.due,
        // requested together, so they do not wait for one another
        ordered: false,
    })
}

/// The SQL condition of a replay with its values, for events and for deliveries alike.
pub(crate) fn replayed<'v>(replay: &'v Replay, column: &str) -> (String, Vec<Value<'v>>) {
    let mut values = vec![
        Value::Uuid(replay.client.0),
        Value::Time(replay.since),
        Value::Time(replay.until),
        Value::position(replay.position),
    ];
    let first = values.len() + 1;
    let marks: Vec<_> = (0..replay.events.len()).map(|at| format!("${}", first + at)).collect();
    values.extend(replay.events.iter().map(|name| Value::text(name)));
    // an empty list is no SQL
    let types =
        if marks.is_empty() { "1 = 0".to_owned() } else { format!("{column} IN ({})", marks.join(", ")) };
    let sql =
        format!("client_id = $1 AND created_at >= $2 AND created_at < $3 AND position < $4 AND {types}");
    (sql, values)
}

pub(crate) fn agent_condition<'v>(replay: &'v Replay, values: &mut Vec<Value<'v>>) -> String {
    match replay.agent {
        None => String::new(),
        Some(agent) => {
            values.push(Value::Uuid(agent.0));
            format!(" AND agent_id = ${}", values.len())
        }
    }
}

/// Converts a value into one that borrows nothing.
fn own(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Null(kind) => Value::Null(kind),
        Value::Uuid(id) => Value::Uuid(id),
        Value::Int(int) => Value::Int(int),
        Value::Bool(bool) => Value::Bool(bool),
        Value::Text(text) => Value::Text(text.into_owned().into()),
        Value::Time(time) => Value::Time(time),
        Value::Bytes(bytes) => Value::Blob(bytes.to_vec()),
        Value::Blind(client, text) => Value::Blind(client, text.into_owned().into()),
        Value::Blob(bytes) => Value::Blob(bytes),
    }
}
