//! The table and the query of memories.

use async_trait::async_trait;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use projections::memories::{MemoryFilter, MemoryQueries, MemoryRow, MemoryView};
use projections::page::{Page, PageRequest};
use uuid::Uuid;

use super::SqlViews;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for MemoryRow {
    const NAME: &'static str = "memories";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        fixed("customer_id", Kind::Uuid),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("removed", Kind::Bool),
        changing("kind", Kind::Text),
        changing("status", Kind::Text),
        changing("doc", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        Ok(vec![
            Value::Uuid(view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(view.created_at),
            Value::Uuid(view.customer_id.0),
            Value::position(self.position),
            Value::count(view.version),
            Value::Bool(self.removed),
            Value::text(&view.kind),
            Value::text(&view.status),
            Value::Text(serde_json::to_string(view)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: MemoryView = parsed(serde_json::from_str(&row.text(9)?))?;
        Ok(Self { client: ClientId(row.uuid(1)?), position: row.position(4)?, removed: row.bool(6)?, view })
    }
}

#[async_trait]
impl MemoryQueries for SqlViews {
    async fn memories(
        &self,
        client: ClientId,
        filter: &MemoryFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::from("memories", "memories", Of::Client(client));
        select.push("NOT removed", []);
        let places = vec!["?"; filter.customers.len()].join(", ");
        if filter.customers.is_empty() {
            return Ok(Page { items: Vec::new(), next: None, total: None });
        }
        let ids = filter.customers.iter().map(|customer| Value::Uuid(customer.0));
        select.push(&format!("customer_id IN ({places})"), ids);
        if let Some(kind) = filter.kind {
            select.push("kind = ?", [Value::text(kind.as_str())]);
        }
        if let Some(status) = filter.status {
            select.push("status = ?", [Value::text(status.as_str())]);
        }
        select.page(&self.db, page).await
    }
}
