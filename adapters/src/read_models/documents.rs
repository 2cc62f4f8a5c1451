//! Tables whose rows are a resource's JSON document.

use domain::ids::ClientId;
use projections::document::{Document, Resource};
use uuid::Uuid;

use super::table::{Column, Table, changing, fixed, key};
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
