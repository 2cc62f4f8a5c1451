//! The table and queries of clients.

use super::SqlViews;
use async_trait::async_trait;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use projections::clients::{ClientEntry, ClientQueries, ClientRow, ClientView};
use projections::page::{Page, PageRequest, Stored};
use uuid::Uuid;

use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for ClientRow {
    const NAME: &'static str = "clients";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("doc", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        Ok(vec![
            Value::Uuid(self.view.id.0),
            Value::Time(self.view.created_at),
            Value::position(self.position),
            Value::count(self.view.version),
            Value::Text(serde_json::to_string(&self.view)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: ClientView = parsed(serde_json::from_str(&row.text(4)?))?;
        Ok(ClientRow { position: row.position(2)?, view })
    }
}

const GET: &str = "SELECT version, doc FROM clients WHERE generation = \
                   (SELECT generation FROM projections WHERE name = 'clients') AND id = $1";

const DIRECTORY: &str = "SELECT id, created_at, position, version, doc FROM clients WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'clients') AND id > $1 ORDER BY id LIMIT $2 + 0";

#[async_trait]
impl ClientQueries for SqlViews {
    async fn client(&self, id: ClientId) -> Result<Option<Stored>, StoreUnavailable> {
        self.db.stored(Of::Client(id), GET, [Value::Uuid(id.0)]).await
    }

    async fn clients(&self, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        Select::from("clients", "clients", Of::System).page(&self.db, page).await
    }

    async fn client_directory(
        &self,
        after: Option<ClientId>,
        limit: u32,
    ) -> Result<Vec<ClientEntry>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::System, DIRECTORY.to_owned(), values).await?;
        let entry = |row: ClientRow| {
            let (id, limits, billing) = (row.view.id, row.view.limits.into(), row.view.billing());
            ClientEntry { id, limits, billing }
        };
        let entries: Result<Vec<_>, _> = rows.iter().map(|row| ClientRow::read(row).map(entry)).collect();
        entries.map_err(|error| unavailable(&error))
    }
}
