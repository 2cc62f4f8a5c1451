//! Queries of deliveries and their attempts.

use std::collections::HashMap;

use async_trait::async_trait;
use domain::envelope::{Position, Version};
use domain::ids::{ClientId, DeliveryId, EndpointId, event_type_id};
use domain::ports::StoreUnavailable;
use domain::ports::deliveries::Replay;
use domain::webhook::delivery::{DeliveryOf, DeliveryStatus};
use domain::webhook::public::TEST_TYPE;
use projections::page::{Page, PageRequest, Stored};
use projections::webhooks::{
    AttemptFilter, DeliveryFilter, DeliveryQueries, DeliverySummary, DeliveryView, EventPage,
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::SqlOutbox;
use super::delivery_changes::{agent_condition, replayed};
use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{SqlRow, Value, parsed};

const DELIVERY: &str =
    "id, created_at, endpoint_id, event_id, event_type, status, attempts, due, position, version, subject_id";

struct Row {
    id: Uuid,
    position: Position,
    view: DeliveryView,
    subject: Uuid,
    event: Uuid,
}

fn delivery(row: &SqlRow) -> Result<Row, sqlx::Error> {
    let (id, event) = (row.uuid(0)?, row.uuid(3)?);
    let view = DeliveryView {
        id: DeliveryId(id),
        endpoint_id: EndpointId(row.uuid(2)?),
        event: row.text(4)?,
        event_id: event_type_id(event),
        status: row.text(5)?,
        attempt_count: row.count(6)?,
        next_attempt_at: row.time_option(7)?,
        created_at: row.time(1)?,
        version: row.count(9)?,
        attempts: Vec::new(),
        payload: None,
    };
    Ok(Row { id, position: row.position(8)?, view, subject: row.uuid(10)?, event })
}

fn marks(from: usize, count: usize) -> String {
    (from..from + count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ")
}

fn raw(json: String) -> Result<Box<RawValue>, sqlx::Error> {
    parsed(RawValue::from_string(json))
}

impl SqlOutbox {
    /// Adds attempts and payloads to the rows, and renders them as JSON.
    async fn shown(&self, client: ClientId, mut rows: Vec<Row>) -> Result<Vec<String>, StoreUnavailable> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT delivery_id, doc FROM work_attempts WHERE client_id = $1 AND delivery_id IN ({}) \
             ORDER BY delivery_id, number",
            marks(2, rows.len())
        );
        let whose = || std::iter::once(Value::Uuid(client.0));
        let values = whose().chain(rows.iter().map(|row| Value::Uuid(row.id))).collect();
        let mut attempts: HashMap<Uuid, Vec<Box<RawValue>>> = HashMap::new();
        for found in self.db.rows(Of::Client(client), sql, values).await? {
            let read = || Ok((found.uuid(0)?, raw(found.text(1)?)?));
            let (delivery, doc) = read().map_err(|error| unavailable(&error))?;
            attempts.entry(delivery).or_default().push(doc);
        }
        let sql = format!(
            "SELECT position, body FROM work_public_events WHERE client_id = $1 AND position IN ({})",
            marks(2, rows.len())
        );
        let values = whose().chain(rows.iter().map(|row| Value::position(row.position))).collect();
        let mut bodies: HashMap<Position, String> = HashMap::new();
        for found in self.db.rows(Of::Client(client), sql, values).await? {
            let read = || Ok((found.position(0)?, parsed(String::from_utf8(found.bytes(1)?))?));
            let (position, body) = read().map_err(|error| unavailable(&error))?;
            bodies.insert(position, body);
        }
        let mut shown = Vec::with_capacity(rows.len());
        for row in &mut rows {
            row.view.attempts = attempts.remove(&row.id).unwrap_or_default();
            row.view.payload = match bodies.get(&row.position) {
                Some(body) => Some(raw(body.clone()).map_err(|error| unavailable(&error))?),
                None => None,
            };
            let json = parsed(serde_json::to_string(&row.view));
            shown.push(json.map_err(|error| unavailable(&error))?);
        }
        Ok(shown)
    }

    async fn delivery_row(&self, client: ClientId, id: DeliveryId) -> Result<Option<Row>, StoreUnavailable> {
        let sql = format!("SELECT {DELIVERY} FROM work_deliveries WHERE id = $1 AND client_id = $2");
        let values = vec![Value::Uuid(id.0), Value::Uuid(client.0)];
        let found = self.db.rows(Of::Client(client), sql, values).await?;
        found.first().map(delivery).transpose().map_err(|error| unavailable(&error))
    }

    async fn count_of(
        &self,
        client: ClientId,
        sql: String,
        values: Vec<Value<'_>>,
    ) -> Result<u64, StoreUnavailable> {
        let rows = self.db.rows(Of::Client(client), sql, values).await?;
        rows.first().map_or(Ok(0), |row| row.count(0)).map_err(|error| unavailable(&error))
    }
}

#[async_trait]
impl DeliveryQueries for SqlOutbox {
    async fn delivery(&self, client: ClientId, id: DeliveryId) -> Result<Option<Stored>, StoreUnavailable> {
        let Some(row) = self.delivery_row(client, id).await? else { return Ok(None) };
        let version = Version(row.view.version);
        let json = self.shown(client, vec![row]).await?.pop();
        Ok(json.map(|json| Stored::of_its_own(version, json)))
    }

    async fn delivery_summary(
        &self,
        client: ClientId,
        id: DeliveryId,
    ) -> Result<Option<DeliverySummary>, StoreUnavailable> {
        let Some(row) = self.delivery_row(client, id).await? else { return Ok(None) };
        let status: DeliveryStatus =
            row.view.status.parse().map_err(|_| StoreUnavailable("a delivery without a status".into()))?;
        let of = DeliveryOf {
            endpoint: row.view.endpoint_id,
            event: row.event,
            event_type: row.view.event,
            source: row.position,
            subject: row.subject,
        };
        Ok(Some(DeliverySummary { of, status }))
    }

    async fn deliveries(
        &self,
        client: ClientId,
        endpoint: EndpointId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::plain("work_deliveries", Of::Client(client));
        select.push("endpoint_id = ?", [Value::Uuid(endpoint.0)]);
        select.push_any_of("status", filter.status.iter().map(|status| status.as_str()));
        if let Some(event) = &filter.event {
            select.push("event_type = ?", [Value::text(event)]);
        }
        if let Some(event) = filter.event_id {
            select.push("id = ?", [Value::Uuid(DeliveryId::of(endpoint, event).0)]);
        }
        if let Some(after) = filter.created_after {
            select.push("created_at > ?", [Value::Time(after)]);
        }
        if let Some(before) = filter.created_before {
            select.push("created_at < ?", [Value::Time(before)]);
        }
        let found = select.page_of(DELIVERY, &self.db, page).await?;
        let rows: Result<Vec<_>, _> = found.rows.iter().map(delivery).collect();
        let items = self.shown(client, rows.map_err(|error| unavailable(&error))?).await?;
        Ok(Page { items, next: found.next, total: found.total })
    }

    async fn attempts(
        &self,
        client: ClientId,
        endpoint: EndpointId,
        filter: &AttemptFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::plain("work_attempts", Of::Client(client));
        select.push("endpoint_id = ?", [Value::Uuid(endpoint.0)]);
        if let Some(succeeded) = filter.succeeded {
            select.push("succeeded = ?", [Value::Bool(succeeded)]);
        }
        if let Some(event) = &filter.event {
            select.push("event_type = ?", [Value::text(event)]);
        }
        if let Some(after) = filter.created_after {
            select.push("created_at > ?", [Value::Time(after)]);
        }
        if let Some(before) = filter.created_before {
            select.push("created_at < ?", [Value::Time(before)]);
        }
        select.page(&self.db, page).await
    }

    async fn public_events(
        &self,
        client: ClientId,
        after: Option<Uuid>,
        types: &[String],
        limit: usize,
    ) -> Result<Option<EventPage>, StoreUnavailable> {
        let after = match after {
            None => Position::START,
            Some(id) => {
                let sql = "SELECT position FROM work_public_events WHERE id = $1 AND client_id = $2";
                let found =
                    self.db.row(Of::Client(client), sql, [Value::Uuid(id), Value::Uuid(client.0)]).await?;
                match found {
                    Some(row) => row.position(0).map_err(|error| unavailable(&error))?,
                    None => return Ok(None),
                }
            }
        };
        let mut values = vec![Value::Uuid(client.0), Value::position(after), Value::text(TEST_TYPE)];
        let mut only = String::new();
        if !types.is_empty() {
            only = format!(" AND event_type IN ({})", marks(4, types.len()));
            values.extend(types.iter().map(|name| Value::text(name)));
        }
        let sql = format!(
            "SELECT id, body FROM work_public_events WHERE client_id = $1 AND position > $2 AND event_type <> $3{only} \
             ORDER BY position LIMIT {}",
            limit + 1
        );
        let mut rows = self.db.rows(Of::Client(client), sql, values).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let read = || {
            let items: Result<Vec<_>, sqlx::Error> =
                rows.iter().map(|row| parsed(String::from_utf8(row.bytes(1)?))).collect();
            let next = rows.last().filter(|_| more).map(|row| row.uuid(0)).transpose()?;
            Ok(EventPage { items: items?, next })
        };
        read().map(Some).map_err(|error: sqlx::Error| unavailable(&error))
    }

    async fn replay_size(&self, replay: &Replay) -> Result<u64, StoreUnavailable> {
        let eligible = |status: &str| {
            let (conditions, mut values) = replayed(replay, "event_type");
            values.push(Value::Uuid(replay.endpoint.0));
            let sql = format!(
                "SELECT count(*) FROM work_deliveries WHERE {conditions} AND endpoint_id = ${}{status}",
                values.len()
            );
            (sql, values)
        };
        if replay.only_failed {
            let (sql, values) = eligible(" AND status IN ('failed', 'cancelled')");
            return self.count_of(replay.client, sql, values).await;
        }
        let (conditions, mut values) = replayed(replay, "event_type");
        let agent = agent_condition(replay, &mut values);
        let sql = format!("SELECT count(*) FROM work_public_events WHERE {conditions}{agent}");
        let events = self.count_of(replay.client, sql, values).await?;
        // pending deliveries are not made due again
        let (sql, values) = eligible(" AND status = 'pending'");
        Ok(events.saturating_sub(self.count_of(replay.client, sql, values).await?))
    }
}
