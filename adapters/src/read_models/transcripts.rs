//! The table and queries of transcript lines.

use super::SqlViews;
use async_trait::async_trait;
use domain::ids::{CallId, ClientId};
use domain::ports::StoreUnavailable;
use projections::said::{Place, SaidPage, SaidRows};
use projections::transcripts::{LineRow, LineView, TranscriptQueries};
use uuid::Uuid;

use super::said::SaidTable;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for LineRow {
    const NAME: &'static str = "transcript_lines";
    const COLUMNS: &'static [Column] = &[
        key("call_id", Kind::Uuid),
        key("seq", Kind::Int),
        fixed("client_id", Kind::Uuid),
        changing("position", Kind::Int),
        changing("doc", Kind::Text),
        fixed("place", Kind::Int),
        fixed("said_at", Kind::Int),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        Ok(vec![
            Value::Uuid(self.call.0),
            Value::Int(i64::from(self.view.seq)),
            Value::Uuid(self.client.0),
            Value::position(self.position),
            Value::Text(serde_json::to_string(&self.view)?.into()),
            Value::Int(i64::from(self.place.before)),
            Value::Int(self.place.at),
        ])
    }

    fn key_values((call, seq): &(Uuid, u32)) -> Vec<Value<'static>> {
        vec![Value::Uuid(*call), Value::Int(i64::from(*seq))]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: LineView = parsed(serde_json::from_str(&row.text(4)?))?;
        let before = u32::try_from(row.count(5)?).unwrap_or(view.seq);
        let place = Place { before, at: row.int(6)?, seq: view.seq };
        Ok(LineRow {
            call: CallId(row.uuid(0)?),
            client: ClientId(row.uuid(2)?),
            position: row.position(3)?,
            place,
            view,
        })
    }
}

const LINES: SaidTable = SaidTable { table: "transcript_lines", view: "transcripts", parent: "call_id" };

#[async_trait]
impl TranscriptQueries for SqlViews {
    async fn transcript(
        &self,
        client: ClientId,
        call: CallId,
        page: SaidPage,
    ) -> Result<SaidRows, StoreUnavailable> {
        self.said(&LINES, client, call.0, page).await
    }
}
