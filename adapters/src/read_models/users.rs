//! The table and queries of users.

use super::SqlViews;
use async_trait::async_trait;
use domain::ids::{ClientId, UserId};
use domain::ports::StoreUnavailable;
use projections::users::{UserQueries, UserRow, UserView};
use uuid::Uuid;

use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for UserRow {
    const NAME: &'static str = "users";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("removed", Kind::Bool),
        changing("valid_from", Kind::Time),
        changing("doc", Kind::Text),
        changing("fold", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        Ok(vec![
            Value::Uuid(self.view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(self.view.created_at),
            Value::position(self.position),
            Value::count(self.view.version),
            Value::Bool(self.removed),
            Value::Time(self.valid_from),
            Value::Text(serde_json::to_string(&self.view)?.into()),
            Value::Text(serde_json::to_string(&self.ended_logins)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: UserView = parsed(serde_json::from_str(&row.text(7)?))?;
        let (client, position) = (ClientId(row.uuid(1)?), row.position(3)?);
        let ended_logins = parsed(serde_json::from_str(&row.text(8)?))?;
        Ok(UserRow { client, position, removed: row.bool(5)?, valid_from: row.time(6)?, ended_logins, view })
    }
}

const DIRECTORY: &str = "SELECT id, client_id, created_at, position, version, removed, valid_from, doc, fold \
    FROM users \
    WHERE generation = (SELECT generation FROM projections WHERE name = 'users') \
    AND NOT removed AND id > $1 ORDER BY id LIMIT $2 + 0";

#[async_trait]
impl UserQueries for SqlViews {
    async fn user_directory(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::System, DIRECTORY.to_owned(), values).await?;
        let users: Result<Vec<_>, _> = rows.iter().map(UserRow::read).collect();
        users.map_err(|error| unavailable(&error))
    }
}
