//! The table of what matches found, and our calls as a match reads them.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::billing::Currency;
use domain::billing::matching::{CallKind, CarrierId, Charge, OurCall};
use domain::call::terms::EndReason;
use domain::envelope::{Position, Time};
use domain::ids::{CallId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::matching::CallsToMatch;
use projections::billing::{MatchFilter, MatchQueries, MatchRow, MatchView};
use projections::calls::{LegIds, MoneyView};
use projections::page::{Page, PageRequest};
use serde::Deserialize;
use uuid::Uuid;

use super::SqlViews;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for MatchRow {
    const NAME: &'static str = "billing_matches";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        changing("created_at", Kind::Time),
        changing("state", Kind::Text),
        changing("position", Kind::Int),
        changing("doc", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        Ok(vec![
            Value::Uuid(view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(view.began_at),
            Value::text(view.state.as_str()),
            Value::position(self.position),
            Value::Text(serde_json::to_string(view)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: MatchView = parsed(serde_json::from_str(&row.text(5)?))?;
        Ok(Self { client: ClientId(row.uuid(1)?), position: row.position(4)?, view })
    }
}

#[async_trait]
impl MatchQueries for SqlViews {
    async fn matches(
        &self,
        client: ClientId,
        filter: MatchFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let name = MatchRow::NAME;
        let mut select = Select::from(name, name, Of::Client(client));
        if let Some(state) = filter.state {
            select.push("state = ?", [Value::text(state.as_str())]);
        }
        if let Some(from) = filter.from {
            select.push("created_at >= ?", [Value::Time(from)]);
        }
        if let Some(to) = filter.to {
            select.push("created_at < ?", [Value::Time(to)]);
        }
        select.page(&self.db, page).await
    }
}

/// A call, as far as a match needs it.
#[derive(Deserialize)]
struct Brief {
    answered_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    duration_ms: Option<u64>,
    cost: Option<MoneyView>,
    end_reason: Option<EndReason>,
}

#[derive(Deserialize)]
struct Fold {
    #[serde(default)]
    leg: Option<LegIds>,
}

/// A transaction, as far as a match needs it.
#[derive(Deserialize)]
struct Booked {
    amount: MoneyView,
    entries: Vec<BookedEntry>,
}

#[derive(Deserialize)]
struct BookedEntry {
    account: String,
    #[serde(default)]
    debit: i64,
    #[serde(default)]
    credit: i64,
}

fn charge(money: &MoneyView) -> Charge {
    Charge { micros: money.amount_micros, currency: money.currency.parse().ok() }
}

fn call(row: &SqlRow) -> Result<OurCall, sqlx::Error> {
    let brief: Brief = parsed(serde_json::from_str(&row.text(2)?))?;
    let fold: Fold = parsed(serde_json::from_str(&row.text(3)?))?;
    let of_leg = |id: fn(&LegIds) -> Option<&str>| fold.leg.as_ref().and_then(id).map(CarrierId::of);
    let kind = match &fold.leg {
        _ if brief.end_reason == Some(EndReason::Merged) => CallKind::Merged,
        Some(leg) if leg.foreign => CallKind::Foreign,
        _ => CallKind::Charged,
    };
    Ok(OurCall {
        id: CallId(row.uuid(0)?),
        leg: of_leg(|leg| Some(leg.leg.as_str())),
        session: of_leg(|leg| leg.session.as_deref()),
        connection: of_leg(|leg| leg.connection.as_deref()),
        kind,
        began_at: row.time(1)?,
        answered: brief.answered_at.is_some(),
        ended: brief.ended_at.is_some(),
        seconds: u32::try_from(brief.duration_ms.unwrap_or(0).div_ceil(1_000)).unwrap_or(u32::MAX),
        told: brief.cost.as_ref().map(charge),
        ledger: None,
    })
}

const CLIENTS: &str =
    "SELECT id FROM clients WHERE generation = (SELECT generation FROM projections WHERE name = 'clients')";
/// How far the rows are that a match reads; a view without any is missing here.
const REACHED: &str = "SELECT g.position FROM projections p JOIN projection_generations g \
    ON g.projection = p.name AND g.generation = p.generation \
    WHERE p.name IN ('calls', 'clients', 'credit_transactions')";
const FIRST_CHARGE: &str = "SELECT created_at, doc FROM credit_transactions WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'credit_transactions') AND client_id = $1 AND kind = 'usage' \
    ORDER BY created_at, id LIMIT 1";
const OF_CLIENT: &str = "generation = (SELECT generation FROM projections WHERE name = ";

#[async_trait]
impl CallsToMatch for SqlViews {
    async fn reached(&self) -> Result<Position, StoreUnavailable> {
        let rows = self.db.rows(Of::System, REACHED.to_owned(), Vec::new()).await?;
        let positions: Result<Vec<_>, sqlx::Error> = rows.iter().map(|row| row.position(0)).collect();
        let positions = positions.map_err(|error| unavailable(&error))?;
        let all = positions.len() == 3;
        Ok(positions.into_iter().min().filter(|_| all).unwrap_or(Position::START))
    }

    async fn charged_since(&self, client: ClientId) -> Result<Option<(Time, Currency)>, StoreUnavailable> {
        let values = vec![Value::Uuid(client.0)];
        let rows = self.db.rows(Of::Client(client), FIRST_CHARGE.to_owned(), values).await?;
        let first = |row: &SqlRow| -> Result<Option<(Time, Currency)>, sqlx::Error> {
            let booked: Booked = parsed(serde_json::from_str(&row.text(1)?))?;
            Ok(booked.amount.currency.parse().ok().zip(Some(row.time(0)?)).map(|(one, at)| (at, one)))
        };
        Ok(rows.first().map(first).transpose().map_err(|error| unavailable(&error))?.flatten())
    }

    async fn clients(&self, after: Option<ClientId>, limit: u32) -> Result<Vec<ClientId>, StoreUnavailable> {
        let sql = format!("{CLIENTS} AND id > $1 ORDER BY id LIMIT {limit}");
        let after = after.map_or(Uuid::nil(), |client| client.0);
        let rows = self.db.rows(Of::System, sql, vec![Value::Uuid(after)]).await?;
        let ids: Result<Vec<_>, sqlx::Error> = rows.iter().map(|row| Ok(ClientId(row.uuid(0)?))).collect();
        ids.map_err(|error| unavailable(&error))
    }

    async fn calls(
        &self,
        client: ClientId,
        period: (Time, Time),
        after: Option<(Time, CallId)>,
        limit: u32,
    ) -> Result<Vec<OurCall>, StoreUnavailable> {
        let mut calls = self.legs(client, period, after, limit).await?;
        let ledger = self.carrier_costs(client, &calls).await?;
        for call in &mut calls {
            call.ledger = ledger.get(&call.id.0).copied();
        }
        Ok(calls)
    }

    async fn legs(
        &self,
        client: ClientId,
        (from, to): (Time, Time),
        after: Option<(Time, CallId)>,
        limit: u32,
    ) -> Result<Vec<OurCall>, StoreUnavailable> {
        let (after, id) = after.map_or((from, Uuid::nil()), |(at, call)| (at, call.0));
        let sql = format!(
            "SELECT id, created_at, doc, fold FROM calls WHERE {OF_CLIENT}'calls') AND client_id = $1 \
             AND created_at < $2 AND (created_at, id) > ($3, $4) ORDER BY created_at, id LIMIT {limit}"
        );
        let values = vec![Value::Uuid(client.0), Value::Time(to), Value::Time(after), Value::Uuid(id)];
        let rows = self.db.rows(Of::Client(client), sql, values).await?;
        let calls: Result<Vec<_>, sqlx::Error> = rows.iter().map(call).collect();
        calls.map_err(|error| unavailable(&error))
    }
}

impl SqlViews {
    /// The carrier's cost of calls by what was posted for them, corrections included.
    async fn carrier_costs(
        &self,
        client: ClientId,
        calls: &[OurCall],
    ) -> Result<HashMap<Uuid, Charge>, StoreUnavailable> {
        let mut costs: HashMap<Uuid, Charge> = HashMap::with_capacity(calls.len());
        if calls.is_empty() {
            return Ok(costs);
        }
        let places: Vec<_> = (2..calls.len() + 2).map(|place| format!("${place}")).collect();
        let sql = format!(
            "SELECT source, doc FROM credit_transactions WHERE {OF_CLIENT}'credit_transactions') \
             AND client_id = $1 AND source IN ({}) AND kind IN ('usage', 'correction')",
            places.join(", ")
        );
        let ids = calls.iter().map(|call| Value::Uuid(call.id.0));
        let values = std::iter::once(Value::Uuid(client.0)).chain(ids).collect();
        let booked = |row: &SqlRow| -> Result<(Uuid, Booked), sqlx::Error> {
            Ok((row.uuid(0)?, parsed(serde_json::from_str(&row.text(1)?))?))
        };
        for row in self.db.rows(Of::Client(client), sql, values).await? {
            let (call, booked) = booked(&row).map_err(|error| unavailable(&error))?;
            let nothing = Charge { micros: 0, currency: booked.amount.currency.parse().ok() };
            let of_carrier = booked.entries.iter().filter(|entry| entry.account == "provider_cost");
            let micros: i64 = of_carrier.map(|entry| entry.debit - entry.credit).sum();
            costs.entry(call).or_insert(nothing).micros += micros;
        }
        Ok(costs)
    }
}
