//! Transcripts.

use super::SqlViews;
use async_trait::async_trait;
use domain::ids::{CallId, ClientId};
use domain::ports::StoreUnavailable;
use projections::page::{MAX_PAGE, Order};
use projections::transcripts::{LinePage, LineRow, LineView, Lines, TranscriptQueries};
use uuid::Uuid;

use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for LineRow {
    const NAME: &'static str = "transcript_lines";
    const COLUMNS: &'static [Column] = &[
        key("call_id", Kind::Uuid),
        key("seq", Kind::Int),
        fixed("client_id", Kind::Uuid),
        changing("position", Kind::Int),
        changing("doc", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        Ok(vec![
            Value::Uuid(self.call.0),
            Value::Int(i64::from(self.view.seq)),
            Value::Uuid(self.client.0),
            Value::position(self.position),
            Value::Text(serde_json::to_string(&self.view)?.into()),
        ])
    }

    fn key_values((call, seq): &(Uuid, u32)) -> Vec<Value<'static>> {
        vec![Value::Uuid(*call), Value::Int(i64::from(*seq))]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: LineView = parsed(serde_json::from_str(&row.text(4)?))?;
        Ok(LineRow {
            call: CallId(row.uuid(0)?),
            client: ClientId(row.uuid(2)?),
            position: row.position(3)?,
            view,
        })
    }
}

const FORWARDS: &str = "SELECT seq, doc FROM transcript_lines WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'transcripts') AND call_id = $1 AND client_id = $2 \
    AND seq > $3 ORDER BY seq LIMIT $4 + 0";
const BACKWARDS: &str = "SELECT seq, doc FROM transcript_lines WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'transcripts') AND call_id = $1 AND client_id = $2 \
    AND seq < $3 ORDER BY seq DESC LIMIT $4 + 0";

#[async_trait]
impl TranscriptQueries for SqlViews {
    async fn transcript(
        &self,
        client: ClientId,
        call: CallId,
        page: LinePage,
    ) -> Result<Lines, StoreUnavailable> {
        let limit = page.limit.clamp(1, MAX_PAGE) as usize;
        let (sql, from) = match page.order {
            Order::Asc => (FORWARDS, page.after.map_or(0, i64::from)),
            Order::Desc => (BACKWARDS, page.after.map_or(i64::MAX, i64::from)),
        };
        // one more than wanted tells whether there is another page
        let wanted = Value::Int(limit as i64 + 1);
        let values = vec![Value::Uuid(call.0), Value::Uuid(client.0), Value::Int(from), wanted];
        let rows = self.db.rows(Of::Client(client), sql.to_owned(), values).await?;
        let read = || {
            let more = rows.len() > limit;
            let shown = &rows[..rows.len().min(limit)];
            let items = shown.iter().map(|row| row.text(1)).collect::<Result<_, _>>()?;
            let last = shown.last().filter(|_| more).map(|row| row.count(0)).transpose()?;
            Ok(Lines { items, next: last.and_then(|seq| u32::try_from(seq).ok()) })
        };
        read().map_err(|error: sqlx::Error| unavailable(&error))
    }
}
