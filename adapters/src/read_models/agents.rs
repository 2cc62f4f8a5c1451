//! Agents and their tools.

use async_trait::async_trait;
use domain::ids::{AgentId, ClientId, ToolId};
use domain::ports::StoreUnavailable;
use projections::agents::{AgentEntry, AgentQueries, AgentRow, AgentView};
use projections::page::{Page, PageRequest, Stored};
use projections::tools::{ToolQueries, ToolRow, ToolView};
use uuid::Uuid;

use super::db::{SqlViews, unavailable};
use super::list::Select;
use super::sql::{Kind, SqlRow, Value, parsed};
use super::table::{Column, Table, changing, fixed, key};
use super::tenant::Of;

impl Table for AgentRow {
    const NAME: &'static str = "agents";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("doc", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        Ok(vec![
            Value::Uuid(self.view.id.0),
            Value::Uuid(self.client.0),
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
        let view: AgentView = parsed(serde_json::from_str(&row.text(5)?))?;
        Ok(AgentRow { client: ClientId(row.uuid(1)?), position: row.position(3)?, view })
    }
}

impl Table for ToolRow {
    const NAME: &'static str = "tools";
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
        let view: ToolView = parsed(serde_json::from_str(&row.text(6)?))?;
        let (client, position, removed) = (ClientId(row.uuid(1)?), row.position(3)?, row.bool(5)?);
        Ok(ToolRow { client, position, removed, view })
    }
}

const GET_AGENT: &str = "SELECT version, doc FROM agents WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'agents') AND id = $1 AND client_id = $2";
const DIRECTORY: &str = "SELECT id, client_id, doc FROM agents WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'agents') AND id > $1 ORDER BY id LIMIT $2";
const GET_TOOL: &str = "SELECT version, doc FROM tools WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'tools') AND id = $1 AND client_id = $2 AND NOT removed";

#[async_trait]
impl AgentQueries for SqlViews {
    async fn agent(&self, client: ClientId, id: AgentId) -> Result<Option<Stored>, StoreUnavailable> {
        self.stored(Of::Client(client), GET_AGENT, [Value::Uuid(id.0), Value::Uuid(client.0)]).await
    }

    async fn agents(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        Select::from("agents", "agents", Of::Client(client)).page(self, page).await
    }

    async fn agent_directory(
        &self,
        after: Option<AgentId>,
        limit: u32,
    ) -> Result<Vec<AgentEntry>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.rows(Of::System, DIRECTORY.to_owned(), values).await?;
        let entry = |row: &SqlRow| {
            let view: AgentView = parsed(serde_json::from_str(&row.text(2)?))?;
            let AgentView { deployed_at, created_at, .. } = view;
            Ok(AgentEntry {
                id: AgentId(row.uuid(0)?),
                client: ClientId(row.uuid(1)?),
                deployed_at,
                created_at,
            })
        };
        let entries: Result<Vec<_>, sqlx::Error> = rows.iter().map(entry).collect();
        entries.map_err(|error| unavailable(&error))
    }
}

#[async_trait]
impl ToolQueries for SqlViews {
    async fn tool(&self, client: ClientId, id: ToolId) -> Result<Option<Stored>, StoreUnavailable> {
        self.stored(Of::Client(client), GET_TOOL, [Value::Uuid(id.0), Value::Uuid(client.0)]).await
    }

    async fn tools(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        let select = Select::from("tools", "tools", Of::Client(client));
        select.and("removed = ?", Value::Bool(false)).page(self, page).await
    }
}
