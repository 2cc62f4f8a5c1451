//! Tables whose rows are a resource's JSON document, and the queries that are the same for all of them.

use async_trait::async_trait;
use domain::envelope::Version;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use projections::document::{Document, DocumentQueries, DocumentRow, DocumentTable, Resource};
use projections::page::{Page, PageRequest, Stored};
use uuid::Uuid;

use super::SqlViews;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl<R: Resource> Table for Document<R> {
    const NAME: &'static str = R::TABLE;
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
            Value::Uuid(self.view.id()),
            Value::Uuid(self.client.0),
            Value::Time(self.view.created_at()),
            Value::position(self.position),
            Value::count(self.view.version().0),
            Value::Bool(self.removed),
            Value::Text(serde_json::to_string(&self.view)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view = parsed(serde_json::from_str(&row.text(6)?))?;
        Ok(Self { client: ClientId(row.uuid(1)?), position: row.position(3)?, removed: row.bool(5)?, view })
    }
}

/// The active rows of a table that are not of deleted resources, as the end of a query.
fn shown(table: DocumentTable) -> String {
    let DocumentTable { name, keeps_removed } = table;
    let kept = if keeps_removed { " AND NOT removed" } else { "" };
    format!("FROM {name} WHERE generation = (SELECT generation FROM projections WHERE name = '{name}'){kept}")
}

#[async_trait]
impl DocumentQueries for SqlViews {
    async fn document(
        &self,
        table: DocumentTable,
        client: ClientId,
        id: Uuid,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        let sql = format!("SELECT version, doc {} AND id = $1 AND client_id = $2", shown(table));
        let values = vec![Value::Uuid(id), Value::Uuid(client.0)];
        let rows = self.db.rows(Of::Client(client), sql, values).await?;
        let stored = |row: &SqlRow| Ok(Stored::of_its_own(Version(row.count(0)?), row.text(1)?));
        rows.first().map(stored).transpose().map_err(|error: sqlx::Error| unavailable(&error))
    }

    async fn documents(
        &self,
        table: DocumentTable,
        client: ClientId,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::from(table.name, table.name, Of::Client(client));
        if table.keeps_removed {
            select.push("removed = ?", [Value::Bool(false)]);
        }
        select.page(&self.db, page).await
    }

    async fn every_document(
        &self,
        table: DocumentTable,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DocumentRow>, StoreUnavailable> {
        let sql = format!("SELECT id, client_id, doc {} AND id > $1 ORDER BY id LIMIT $2 + 0", shown(table));
        let values = vec![Value::Uuid(after.unwrap_or_default()), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::System, sql, values).await?;
        let row = |row: &SqlRow| {
            Ok(DocumentRow { id: row.uuid(0)?, client: ClientId(row.uuid(1)?), json: row.text(2)? })
        };
        let rows: Result<Vec<_>, sqlx::Error> = rows.iter().map(row).collect();
        rows.map_err(|error| unavailable(&error))
    }
}
