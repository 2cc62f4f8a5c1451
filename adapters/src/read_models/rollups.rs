//! The sums that views keep beside their rows, for analytics.

use super::SqlViews;
use async_trait::async_trait;
use domain::envelope::Position;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use projections::analytics::{AnalyticsQueries, MOST_ROLLUPS, Range, Wanted};
use projections::rollup::{Counted, Counts, Rollup, RollupKey, Sketches, Span};
use projections::store::{Checkpoint, Comparison, Generation, Rollups, ViewRows};
use serde::ser::Error as _;
use sqlx::{SqlSafeStr as _, SqlStr};

use super::table::{Column, Table, changing, key};
use crate::sql::db::{args, made, unavailable};
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Args, Dialect, Kind, SqlRow, Value, parsed};

impl Table for Rollup {
    const NAME: &'static str = "tallies";
    const COLUMNS: &'static [Column] = &[
        key("view", Kind::Text),
        key("client_id", Kind::Uuid),
        key("span", Kind::Text),
        key("bucket", Kind::Time),
        key("subject", Kind::Uuid),
        changing("position", Kind::Int),
        changing("doc", Kind::Text),
        changing("sketches", Kind::Bytes),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let mut values = Self::key_values(&self.key);
        values.push(Value::position(self.position));
        values.push(Value::Text(serde_json::to_string(self.counts.numbers())?.into()));
        let sketches = rmp_serde::to_vec(self.counts.sketches()).map_err(serde_json::Error::custom)?;
        values.push(Value::Blob(sketches));
        Ok(values)
    }

    fn key_values(key: &RollupKey) -> Vec<Value<'static>> {
        vec![
            Value::text(key.counted.as_str()),
            Value::Uuid(key.client.0),
            Value::text(key.span.as_str()),
            Value::Time(key.bucket),
            Value::Uuid(key.subject),
        ]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let (view, span) = (row.text(0)?, row.text(2)?);
        let unknown = |what: &str| sqlx::Error::Decode(format!("{what} is not known").into());
        let counted = Counted::of_view(&view).ok_or_else(|| unknown(&view))?;
        let span = Span::ALL.into_iter().find(|one| one.as_str() == span).ok_or_else(|| unknown(&span))?;
        let client = ClientId(row.uuid(1)?);
        let key = RollupKey { counted, client, span, bucket: row.time(3)?, subject: row.uuid(4)? };
        sum(key, row, 5)
    }
}

/// Reads a sum: its position, numbers and distributions are in the columns from `at` on.
fn sum(key: RollupKey, row: &SqlRow, at: usize) -> Result<Rollup, sqlx::Error> {
    let position = Position(row.count(at)?);
    let numbers = parsed(serde_json::from_str(&row.text(at + 1)?))?;
    let sketches = match &*row.bytes(at + 2)? {
        // the query did not select this column
        [] => Sketches::new(),
        sketches => rmp_serde::from_slice(sketches).map_err(|error| sqlx::Error::Decode(error.into()))?,
    };
    Ok(Rollup { key, position, counts: Counts::stored(numbers, sketches) })
}

impl SqlViews {
    /// The statement that deletes a sum.
    pub(super) fn remove_rollup(
        &self,
        generation: Generation,
        key: &RollupKey,
    ) -> Result<(SqlStr, Args), sqlx::Error> {
        let sql = "DELETE FROM tallies WHERE generation = $1 AND view = $2 AND client_id = $3 AND span = $4 \
                   AND bucket = $5 AND subject = $6";
        let values = std::iter::once(Value::Int(generation.0)).chain(Rollup::key_values(key));
        Ok((sql.into_sql_str(), args(self.db.dialect(), values)?))
    }
}

#[async_trait]
impl Rollups for SqlViews {
    async fn load_rollups(
        &self,
        generation: Generation,
        keys: &[RollupKey],
    ) -> Result<Vec<Rollup>, StoreUnavailable> {
        ViewRows::<Rollup>::load(self, generation, keys).await
    }

    async fn compare_rollups(
        &self,
        counted: Counted,
        active: Checkpoint,
        other: Checkpoint,
    ) -> Result<Comparison, StoreUnavailable> {
        let same = "a.client_id = b.client_id AND a.span = b.span AND a.bucket = b.bucket \
                    AND a.subject = b.subject";
        let only = |mine: &str, theirs: &str| {
            format!(
                "(SELECT count(*) FROM tallies a WHERE a.generation = {mine} AND a.view = $4 AND a.position <= $3 \
                 AND NOT EXISTS (SELECT 1 FROM tallies b WHERE b.generation = {theirs} AND b.view = $4 AND {same}))"
            )
        };
        let sql = format!(
            "SELECT (SELECT count(*) FROM tallies a JOIN tallies b ON b.generation = $2 AND b.view = $4 AND {same} \
             WHERE a.generation = $1 AND a.view = $4 AND a.position <= $3 AND b.position <= $3 \
             AND (a.doc <> b.doc OR a.sketches <> b.sketches)), {}, {}",
            only("$1", "$2"),
            only("$2", "$1"),
        );
        let values = [
            Value::Int(active.generation.0),
            Value::Int(other.generation.0),
            Value::position(active.position.min(other.position)),
            Value::text(counted.as_str()),
        ];
        let bound = self.db.args(values).map_err(|error| unavailable(&error))?;
        let rows = self.db.survey(made(sql), bound).await?;
        let Some(row) = rows.first() else { return Ok(Comparison::default()) };
        let count = |column| row.count(column).map_err(|error| unavailable(&error));
        Ok(Comparison { differing: count(0)?, missing: count(1)?, extra: count(2)? })
    }

    async fn discard_rollups(
        &self,
        counted: Counted,
        generation: Generation,
    ) -> Result<u64, StoreUnavailable> {
        let sql = "DELETE FROM tallies WHERE generation = $1 AND view = $2";
        let bound = self.db.args([Value::Int(generation.0), Value::text(counted.as_str())]);
        self.db.execute(made(sql), bound.map_err(|error| unavailable(&error))?).await
    }
}

#[async_trait]
impl AnalyticsQueries for SqlViews {
    async fn rollups(&self, client: ClientId, wanted: Wanted) -> Result<Vec<Rollup>, StoreUnavailable> {
        let Wanted { counted, range: Range { span, from, to }, subject, sketches } = wanted;
        let mut select = Select::from("tallies", counted.as_str(), Of::Client(client))
            .and("view = ?", Value::text(counted.as_str()))
            .and("span = ?", Value::text(span.as_str()))
            .and("bucket >= ?", Value::Time(from))
            .and("bucket < ?", Value::Time(to));
        if let Some(subject) = subject {
            select.push("subject = ?", [Value::Uuid(subject)]);
        }
        let columns = match (sketches, self.db.dialect()) {
            (true, _) => "bucket, subject, position, doc, sketches",
            (false, Dialect::Sqlite) => "bucket, subject, position, doc, x''",
            (false, Dialect::Postgres) => "bucket, subject, position, doc, ''::bytea",
        };
        let tail = format!(" ORDER BY bucket, subject LIMIT {}", MOST_ROLLUPS + 1);
        let rows = select.all(columns, &tail, &self.db).await?;
        let read = |row: &SqlRow| {
            sum(RollupKey { counted, client, span, bucket: row.time(0)?, subject: row.uuid(1)? }, row, 2)
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| unavailable(&error))
    }
}
