//! Queries of agents and tools.

use super::SqlViews;
use async_trait::async_trait;
use domain::ids::{AgentId, ClientId, ToolId};
use domain::ports::StoreUnavailable;
use projections::agents::{AgentEntry, AgentQueries, AgentView};
use projections::page::{Page, PageRequest, Stored};
use projections::tools::ToolQueries;
use uuid::Uuid;

use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{SqlRow, Value, parsed};

const GET_AGENT: &str = "SELECT version, doc FROM agents WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'agents') AND id = $1 AND client_id = $2";
const DIRECTORY: &str = "SELECT id, client_id, doc FROM agents WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'agents') AND id > $1 ORDER BY id LIMIT $2 + 0";
const GET_TOOL: &str = "SELECT version, doc FROM tools WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'tools') AND id = $1 AND client_id = $2 AND NOT removed";

#[async_trait]
impl AgentQueries for SqlViews {
    async fn agent(&self, client: ClientId, id: AgentId) -> Result<Option<Stored>, StoreUnavailable> {
        self.db.stored(Of::Client(client), GET_AGENT, [Value::Uuid(id.0), Value::Uuid(client.0)]).await
    }

    async fn agents(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        Select::from("agents", "agents", Of::Client(client)).page(&self.db, page).await
    }

    async fn agent_directory(
        &self,
        after: Option<AgentId>,
        limit: u32,
    ) -> Result<Vec<AgentEntry>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::System, DIRECTORY.to_owned(), values).await?;
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
        self.db.stored(Of::Client(client), GET_TOOL, [Value::Uuid(id.0), Value::Uuid(client.0)]).await
    }

    async fn tools(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        let select = Select::from("tools", "tools", Of::Client(client));
        select.and("removed = ?", Value::Bool(false)).page(&self.db, page).await
    }
}
