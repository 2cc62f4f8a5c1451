//! Statements that write many rows.

use super::db::{Db, Tx, args, made};
use super::value::{Dialect, Kind, Value};

/// The most rows that one statement writes.
pub(crate) const BULK: usize = 64;

const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid => "uuid",
        Kind::Int => "bigint",
        Kind::Bool => "boolean",
        Kind::Text => "text",
        Kind::Time => "timestamptz",
        Kind::Json => "jsonb",
        Kind::Bytes => "bytea",
    }
}

/// The rows of a `VALUES` list. PostgreSQL needs casts, or it would take the values for text.
fn rows(dialect: Dialect, count: usize, kinds: &[Kind]) -> String {
    let value = |number: usize, kind: Kind| match dialect {
        Dialect::Sqlite => "?".to_owned(),
        Dialect::Postgres => format!("${number}::{}", type_name(kind)),
    };
    let row = |row: usize| {
        let values: Vec<_> =
            kinds.iter().enumerate().map(|(at, kind)| value(row * kinds.len() + at + 1, *kind)).collect();
        format!("({})", values.join(", "))
    };
    (0..count).map(row).collect::<Vec<_>>().join(", ")
}

impl Db {
    /// Runs a statement for batches of `items`; `sql` builds its text around the rows of a `VALUES` list.
    pub(crate) async fn batched<'v, T, const N: usize>(
        &self,
        tx: &mut Tx,
        items: &[T],
        kinds: [Kind; N],
        sql: impl Fn(&str) -> String,
        values: impl Fn(&T) -> Result<[Value<'v>; N], sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        let dialect = self.dialect();
        let mut rest = items;
        while !rest.is_empty() {
            // powers of two, so that few different statements are prepared
            let portion = if rest.len() >= BULK { BULK } else { 1 << rest.len().ilog2() };
            let (now, later) = rest.split_at(portion);
            rest = later;
            let text = sql(&rows(dialect, portion, &kinds));
            let mut bound = Vec::with_capacity(portion * N);
            for item in now {
                bound.extend(values(item)?);
            }
            tx.execute(made(text), args(dialect, bound)?).await?;
        }
        Ok(())
    }
}
