//! Tables and queries of IVR menus and sessions.

use super::SqlViews;
use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::{ClientId, IvrSessionId, MenuId};
use domain::ports::StoreUnavailable;
use projections::ivr_sessions::{SessionFilter, SessionQueries, SessionRow, SessionView};
use projections::page::{Page, PageRequest, Stored};
use uuid::Uuid;

use super::blind::blind;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for SessionRow {
    const NAME: &'static str = "ivr_sessions";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        fixed("menu_id", Kind::Uuid),
        fixed("call_id", Kind::Uuid),
        fixed("external_id", Kind::Text),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("status", Kind::Text),
        changing("ended_at", Kind::Time),
        changing("doc", Kind::Text),
    ];

    const ENDED: Option<&'static str> = Some("ended_at");

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        Ok(vec![
            Value::Uuid(view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(view.start_time),
            Value::Uuid(self.menu.0),
            Value::uuid_option(view.call_id.map(|id| id.0)),
            blind(self.client, view.session_id.as_deref()),
            Value::position(self.position),
            Value::count(view.version),
            Value::text(view.status.as_str()),
            view.ended_at.map_or(Value::Null(Kind::Time), Value::Time),
            Value::Text(serde_json::to_string(view)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: SessionView = parsed(serde_json::from_str(&row.text(10)?))?;
        let (client, menu, position) = (ClientId(row.uuid(1)?), MenuId(row.uuid(3)?), row.position(6)?);
        Ok(SessionRow { client, position, menu, view })
    }
}

const GET_SESSION: &str = "SELECT version, doc FROM ivr_sessions WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'ivr_sessions') AND id = $1 AND client_id = $2 \
    AND (ended_at IS NULL OR ended_at >= $3)";

#[async_trait]
impl SessionQueries for SqlViews {
    async fn ivr_session(
        &self,
        client: ClientId,
        id: IvrSessionId,
        since: Time,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        let values = [Value::Uuid(id.0), Value::Uuid(client.0), Value::Time(since)];
        self.db.stored(Of::Client(client), GET_SESSION, values).await
    }

    async fn ivr_sessions(
        &self,
        client: ClientId,
        filter: &SessionFilter,
        since: Time,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::from("ivr_sessions", "ivr_sessions", Of::Client(client));
        select.push("(ended_at IS NULL OR ended_at >= ?)", [Value::Time(since)]);
        if let Some(status) = filter.status {
            select.push("status = ?", [Value::text(status.as_str())]);
        }
        if let Some(menu) = filter.menu_id {
            select.push("menu_id = ?", [Value::Uuid(menu.0)]);
        }
        if let Some(call) = filter.call_id {
            select.push("call_id = ?", [Value::Uuid(call.0)]);
        }
        if let Some(name) = &filter.session_id {
            select.push("external_id = ?", [self.blind.of(client, name)]);
        }
        if let Some(after) = filter.created_after {
            select.push("created_at > ?", [Value::Time(after)]);
        }
        if let Some(before) = filter.created_before {
            select.push("created_at < ?", [Value::Time(before)]);
        }
        select.page(&self.db, page).await
    }
}
