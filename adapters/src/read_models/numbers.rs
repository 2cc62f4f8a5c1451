//! Numbers.

use async_trait::async_trait;
use domain::ids::{ClientId, NumberId};
use domain::ports::StoreUnavailable;
use projections::numbers::{NumberEntry, NumberQueries, NumberRow, NumberView};
use projections::page::{Page, PageRequest, Stored};
use uuid::Uuid;

use super::db::{SqlViews, unavailable};
use super::list::Select;
use super::sql::{Kind, SqlRow, Value, parsed};
use super::table::{Column, Table, changing, fixed, key};
use super::tenant::Of;

impl Table for NumberRow {
    const NAME: &'static str = "numbers";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("removed", Kind::Bool),
        changing("doc", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        Ok(vec![
            Value::Uuid(self.view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(self.view.created_at),
            Value::position(self.position),
            Value::count(self.view.version),
            Value::Bool(self.removed),
            Value::Text(serde_json::to_string(&self.view)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: NumberView = parsed(serde_json::from_str(&row.text(6)?))?;
        Ok(NumberRow {
            client: ClientId(row.uuid(1)?),
            position: row.position(3)?,
            removed: row.bool(5)?,
            view,
        })
    }
}

const GET: &str = "SELECT version, doc FROM numbers WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'numbers') AND id = $1 AND client_id = $2 AND NOT removed";
const DIRECTORY: &str = "SELECT id, client_id, doc FROM numbers WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'numbers') AND NOT removed AND id > $1 ORDER BY id LIMIT $2";

#[async_trait]
impl NumberQueries for SqlViews {
    async fn number(&self, client: ClientId, id: NumberId) -> Result<Option<Stored>, StoreUnavailable> {
        self.stored(Of::Client(client), GET, [Value::Uuid(id.0), Value::Uuid(client.0)]).await
    }

    async fn numbers(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        let select = Select::from("numbers", "numbers", Of::Client(client));
        select.and("removed = ?", Value::Bool(false)).page(self, page).await
    }

    async fn number_directory(
        &self,
        after: Option<NumberId>,
        limit: u32,
    ) -> Result<Vec<NumberEntry>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.rows(Of::System, DIRECTORY.to_owned(), values).await?;
        let entry = |row: &SqlRow| {
            let view: NumberView = parsed(serde_json::from_str(&row.text(2)?))?;
            let (id, client) = (NumberId(row.uuid(0)?), ClientId(row.uuid(1)?));
            Ok(view.number.map(|number| NumberEntry { id, client, number, route: view.route.into() }))
        };
        let entries: Result<Vec<_>, sqlx::Error> =
            rows.iter().filter_map(|row| entry(row).transpose()).collect();
        entries.map_err(|error| unavailable(&error))
    }
}
