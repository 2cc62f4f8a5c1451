//! The table of transactions, and the queries of what was spent.

use async_trait::async_trait;
use domain::billing::account::TransactionKind;
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use projections::billing::{
    BillingQueries, Spending, SpendingBy, Totals, TransactionFilter, TransactionRow, TransactionView, day_of,
};
use projections::page::{Page, PageRequest};
use uuid::Uuid;

use super::SqlViews;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for TransactionRow {
    const NAME: &'static str = "credit_transactions";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        fixed("day", Kind::Int),
        fixed("kind", Kind::Text),
        fixed("source", Kind::Uuid),
        fixed("agent_id", Kind::Uuid),
        fixed("amount", Kind::Int),
        fixed("carrier", Kind::Int),
        fixed("stt", Kind::Int),
        fixed("llm", Kind::Int),
        fixed("tts", Kind::Int),
        fixed("runtime", Kind::Int),
        fixed("platform", Kind::Int),
        changing("position", Kind::Int),
        changing("doc", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        let mut values = vec![
            Value::Uuid(view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(view.at),
            Value::Int(day_of(view.at)),
            Value::text(view.kind.as_str()),
            Value::Uuid(self.source),
            Value::uuid_option(view.agent_id.map(|agent| agent.0)),
            Value::Int(view.amount.amount_micros),
        ];
        values.extend(self.components.map(Value::Int));
        values.extend([Value::position(self.position), Value::Text(serde_json::to_string(view)?.into())]);
        Ok(values)
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: TransactionView = parsed(serde_json::from_str(&row.text(15)?))?;
        let components = components(row, 8)?;
        let (client, source, position) = (ClientId(row.uuid(1)?), row.uuid(5)?, row.position(14)?);
        Ok(Self { client, position, source, components, view })
    }
}

/// Six amounts, from a column on.
fn components(row: &SqlRow, first: usize) -> Result<[i64; 6], sqlx::Error> {
    let mut amounts = [0; 6];
    for (at, amount) in amounts.iter_mut().enumerate() {
        *amount = row.int(first + at)?;
    }
    Ok(amounts)
}

const ACTIVE: &str = "credit_transactions WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'credit_transactions') AND client_id = $1";
/// What the calls of a period cost, in the order of the components.
const SUMS: &str = "CAST(SUM(CASE WHEN kind = 'usage' THEN 1 ELSE 0 END) AS BIGINT), \
    CAST(SUM(carrier) AS BIGINT), CAST(SUM(stt) AS BIGINT), CAST(SUM(llm) AS BIGINT), \
    CAST(SUM(tts) AS BIGINT), CAST(SUM(runtime) AS BIGINT), CAST(SUM(platform) AS BIGINT)";
const SPENT: &str = "kind IN ('usage', 'correction') AND created_at >= $2 AND created_at < $3";
/// Most groups that are answered.
const MOST_GROUPS: u32 = 10_000;

#[async_trait]
impl BillingQueries for SqlViews {
    async fn transactions(
        &self,
        client: ClientId,
        filter: TransactionFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let name = TransactionRow::NAME;
        let mut select = Select::from(name, name, Of::Client(client));
        if let Some(kind) = filter.kind {
            select.push("kind = ?", [Value::text(kind.as_str())]);
        }
        if let Some(source) = filter.source {
            select.push("source = ?", [Value::Uuid(source)]);
        }
        select.page(&self.db, page).await
    }

    async fn transactions_of(
        &self,
        client: ClientId,
        source: Uuid,
    ) -> Result<Vec<TransactionView>, StoreUnavailable> {
        // credit that was kept and given back is no part of the cost, and there is much of it in a long call
        let sql = format!(
            "SELECT doc FROM {ACTIVE} AND source = $2 AND kind NOT IN ('hold', 'release') \
             ORDER BY created_at, id LIMIT 200"
        );
        let values = vec![Value::Uuid(client.0), Value::Uuid(source)];
        let rows = self.db.rows(Of::Client(client), sql, values).await?;
        let view = |row: &SqlRow| parsed(serde_json::from_str(&row.text(0)?));
        let views: Result<Vec<_>, sqlx::Error> = rows.iter().map(view).collect();
        views.map_err(|error| unavailable(&error))
    }

    async fn spending(
        &self,
        client: ClientId,
        (from, to): (Time, Time),
        by: SpendingBy,
    ) -> Result<Vec<Spending>, StoreUnavailable> {
        let sql = match by {
            SpendingBy::Nothing => format!("SELECT {SUMS} FROM {ACTIVE} AND {SPENT} HAVING COUNT(*) > 0"),
            SpendingBy::Day => {
                format!(
                    "SELECT {SUMS}, day FROM {ACTIVE} AND {SPENT} GROUP BY day ORDER BY day LIMIT {MOST_GROUPS}"
                )
            }
            SpendingBy::Agent => format!(
                "SELECT {SUMS}, agent_id FROM {ACTIVE} AND {SPENT} GROUP BY agent_id ORDER BY agent_id \
                 LIMIT {MOST_GROUPS}"
            ),
        };
        let values = vec![Value::Uuid(client.0), Value::Time(from), Value::Time(to)];
        let rows = self.db.rows(Of::Client(client), sql, values).await?;
        let read = |row: &SqlRow| {
            Ok(Spending {
                calls: row.count(0)?,
                components: components(row, 1)?,
                day: if by == SpendingBy::Day { Some(row.int(7)?) } else { None },
                agent: if by == SpendingBy::Agent { row.uuid_option(7)? } else { None },
            })
        };
        let spending: Result<Vec<_>, sqlx::Error> = rows.iter().map(read).collect();
        spending.map_err(|error| unavailable(&error))
    }

    async fn totals(
        &self,
        client: ClientId,
        (from, to): (Time, Time),
    ) -> Result<Vec<Totals>, StoreUnavailable> {
        let sql = format!(
            "SELECT kind, CAST(COUNT(*) AS BIGINT), CAST(SUM(amount) AS BIGINT) FROM {ACTIVE} \
             AND created_at >= $2 AND created_at < $3 GROUP BY kind ORDER BY kind"
        );
        let values = vec![Value::Uuid(client.0), Value::Time(from), Value::Time(to)];
        let rows = self.db.rows(Of::Client(client), sql, values).await?;
        let read = |row: &SqlRow| {
            let word = row.text(0)?;
            let kind = TransactionKind::ALL.iter().find(|kind| kind.as_str() == word).copied();
            let kind = kind.ok_or_else(|| sqlx::Error::Decode("an unknown kind of transaction".into()))?;
            Ok(Totals { kind, count: row.count(1)?, amount: row.int(2)? })
        };
        let totals: Result<Vec<_>, sqlx::Error> = rows.iter().map(read).collect();
        totals.map_err(|error| unavailable(&error))
    }

    async fn credit_before(&self, client: ClientId, at: Time) -> Result<i64, StoreUnavailable> {
        let sql =
            format!("SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM {ACTIVE} AND created_at < $2");
        let rows =
            self.db.rows(Of::Client(client), sql, vec![Value::Uuid(client.0), Value::Time(at)]).await?;
        rows.first().map_or(Ok(0), |row| row.int(0)).map_err(|error| unavailable(&error))
    }
}
