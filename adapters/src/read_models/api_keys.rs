//! The table and queries of API keys.

use super::SqlViews;
use async_trait::async_trait;
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::StoreUnavailable;
use projections::api_keys::{ApiKeyEntry, ApiKeyQueries, ApiKeyRow, ApiKeyView, KeyHash, KeyInner};
use uuid::Uuid;

use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for ApiKeyRow {
    const NAME: &'static str = "api_keys";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("key_hash", Kind::Bytes),
        changing("removed", Kind::Bool),
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
            Value::Bytes(&self.hash.0),
            Value::Bool(self.removed),
            Value::Text(serde_json::to_string(&self.view)?.into()),
            Value::Text(serde_json::to_string(&self.inner)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let hash = parsed(row.bytes(5)?.as_slice().try_into()).map(KeyHash)?;
        let view: ApiKeyView = parsed(serde_json::from_str(&row.text(7)?))?;
        let inner: KeyInner = parsed(serde_json::from_str(&row.text(8)?))?;
        let (client, position, removed) = (ClientId(row.uuid(1)?), row.position(3)?, row.bool(6)?);
        Ok(ApiKeyRow { client, position, hash, removed, view, inner })
    }
}

const ROW: &str = "SELECT id, client_id, created_at, position, version, key_hash, removed, doc, fold FROM api_keys \
    WHERE generation = (SELECT generation FROM projections WHERE name = 'api_keys') \
    AND id = $1 AND client_id = $2 AND NOT removed";
const DIRECTORY: &str = "SELECT id, client_id, created_at, position, version, key_hash, removed, doc, fold \
    FROM api_keys WHERE generation = (SELECT generation FROM projections WHERE name = 'api_keys') \
    AND NOT removed AND id > $1 ORDER BY id LIMIT $2 + 0";

#[async_trait]
impl ApiKeyQueries for SqlViews {
    async fn api_key_row(
        &self,
        client: ClientId,
        id: ApiKeyId,
    ) -> Result<Option<ApiKeyRow>, StoreUnavailable> {
        let row = self.db.row(Of::Client(client), ROW, [Value::Uuid(id.0), Value::Uuid(client.0)]).await?;
        row.as_ref().map(ApiKeyRow::read).transpose().map_err(|error| unavailable(&error))
    }

    async fn api_key_directory(
        &self,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyEntry>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::System, DIRECTORY.to_owned(), values).await?;
        let entries: Result<Vec<_>, _> =
            rows.iter().map(|row| ApiKeyRow::read(row).map(ApiKeyEntry::of)).collect();
        entries.map_err(|error| unavailable(&error))
    }
}
