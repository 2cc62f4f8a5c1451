//! The table and queries of the audit log.

use super::SqlViews;
use async_trait::async_trait;
use domain::envelope::Position;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use projections::audit_log::{AuditFilter, AuditQueries, AuditRow, By, On};
use projections::page::{Page, PageRequest};

use super::calls::clean;

use super::table::{Column, Table, changing, fixed, key};
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for AuditRow {
    const NAME: &'static str = "audit_log";
    const COLUMNS: &'static [Column] = &[
        key("position", Kind::Int),
        fixed("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        fixed("action", Kind::Text),
        fixed("actor_type", Kind::Text),
        fixed("actor_id", Kind::Text),
        fixed("resource_type", Kind::Text),
        fixed("resource_id", Kind::Text),
        changing("doc", Kind::Text),
    ];

    const ENDED: Option<&'static str> = Some("created_at");

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        Ok(vec![
            Value::count(view.position),
            Value::Uuid(self.event),
            Value::Uuid(self.client.0),
            Value::Time(view.at),
            Value::text(view.action.as_str()),
            Value::text(&view.actor.kind),
            Value::Text(clean(&view.actor.id)),
            Value::text(&view.resource.kind),
            Value::text(&view.resource.id),
            Value::Text(serde_json::to_string(view)?.into()),
        ])
    }

    fn key_values(position: &Position) -> Vec<Value<'static>> {
        vec![Value::position(*position)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view = parsed(serde_json::from_str(&row.text(9)?))?;
        Ok(AuditRow { client: ClientId(row.uuid(2)?), event: row.uuid(1)?, view })
    }
}

#[async_trait]
impl AuditQueries for SqlViews {
    async fn audit_log(
        &self,
        client: ClientId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let from = filter.from.map_or(filter.shown_since, |from| from.max(filter.shown_since));
        let select = Select::from("audit_log", "audit_log", Of::Client(client));
        let mut select = select.and("created_at >= ?", Value::Time(from));
        if let Some(to) = filter.to {
            select.push("created_at < ?", [Value::Time(to)]);
        }
        select.push_any_of("action", filter.actions.iter().map(|action| action.as_str()));
        match &filter.actor {
            Some(By::Kind(kind)) => select.push("actor_type = ?", [Value::Text(clean(kind))]),
            Some(By::One(id)) => select.push("actor_id = ?", [Value::Text(clean(id))]),
            None => {}
        }
        match &filter.resource {
            Some(On::Kind(kind)) => select.push("resource_type = ?", [Value::Text(clean(kind))]),
            Some(On::One(id)) => select.push("resource_id = ?", [Value::Text(clean(id))]),
            None => {}
        }
        select.page(&self.db, page).await
    }
}
