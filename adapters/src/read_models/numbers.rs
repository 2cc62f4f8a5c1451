//! Queries of phone numbers.

use super::SqlViews;
use async_trait::async_trait;
use domain::ids::{ClientId, NumberId};
use domain::ports::StoreUnavailable;
use projections::numbers::{NumberEntry, NumberQueries, NumberView};
use projections::page::{Page, PageRequest, Stored};
use uuid::Uuid;

use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{SqlRow, Value, parsed};

const GET: &str = "SELECT version, doc FROM numbers WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'numbers') AND id = $1 AND client_id = $2 AND NOT removed";
const DIRECTORY: &str = "SELECT id, client_id, doc FROM numbers WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'numbers') AND NOT removed AND id > $1 ORDER BY id LIMIT $2 + 0";

#[async_trait]
impl NumberQueries for SqlViews {
    async fn number(&self, client: ClientId, id: NumberId) -> Result<Option<Stored>, StoreUnavailable> {
        self.db.stored(Of::Client(client), GET, [Value::Uuid(id.0), Value::Uuid(client.0)]).await
    }

    async fn numbers(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        let select = Select::from("numbers", "numbers", Of::Client(client));
        select.and("removed = ?", Value::Bool(false)).page(&self.db, page).await
    }

    async fn number_directory(
        &self,
        after: Option<NumberId>,
        limit: u32,
    ) -> Result<Vec<NumberEntry>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::System, DIRECTORY.to_owned(), values).await?;
        let entry = |row: &SqlRow| {
            let view: NumberView = parsed(serde_json::from_str(&row.text(2)?))?;
            let (id, client) = (NumberId(row.uuid(0)?), ClientId(row.uuid(1)?));
            let (route, own_account) = (view.route.into(), view.own_account);
            Ok(view.number.map(|number| NumberEntry { id, client, number, route, own_account }))
        };
        let entries: Result<Vec<_>, sqlx::Error> =
            rows.iter().filter_map(|row| entry(row).transpose()).collect();
        entries.map_err(|error| unavailable(&error))
    }
}
