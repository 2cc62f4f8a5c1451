//! Pages of transcript lines or messages, from whichever table holds them.

use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use projections::page::{MAX_PAGE, Order};
use projections::said::{Place, SaidPage, SaidRows};
use uuid::Uuid;

use super::SqlViews;
use crate::sql::db::unavailable;
use crate::sql::tenant::Of;
use crate::sql::value::{SqlRow, Value};

/// A table of transcript lines or messages.
pub(super) struct SaidTable {
    pub table: &'static str,
    /// Name of the view that fills the table.
    pub view: &'static str,
    /// The column with the id of the call or conversation.
    pub parent: &'static str,
}

impl SaidTable {
    fn select(&self, order: Order) -> String {
        let Self { table, view, parent } = self;
        let (beyond, direction) = match order {
            Order::Asc => (">", ""),
            Order::Desc => ("<", " DESC"),
        };
        format!(
            "SELECT place, said_at, seq, doc FROM {table} WHERE generation = \
             (SELECT generation FROM projections WHERE name = '{view}') AND {parent} = $1 AND client_id = $2 \
             AND (place, said_at, seq) {beyond} ($3, $4, $5) \
             ORDER BY place{direction}, said_at{direction}, seq{direction} LIMIT $6 + 0"
        )
    }
}

impl SqlViews {
    /// A page of what was said in `parent`, if that belongs to the client.
    pub(super) async fn said(
        &self,
        table: &SaidTable,
        client: ClientId,
        parent: Uuid,
        page: SaidPage,
    ) -> Result<SaidRows, StoreUnavailable> {
        let limit = page.limit.clamp(1, MAX_PAGE) as usize;
        let first = if page.order == Order::Asc { Place::FIRST } else { Place::LAST };
        let Place { before, at, seq } = page.after.unwrap_or(first);
        let mut values = vec![Value::Uuid(parent), Value::Uuid(client.0)];
        // one row more than wanted tells whether there is another page
        values.extend([i64::from(before), at, i64::from(seq), limit as i64 + 1].map(Value::Int));
        let rows = self.db.rows(Of::Client(client), table.select(page.order), values).await?;
        read(&rows, limit).map_err(|error| unavailable(&error))
    }
}

fn read(rows: &[SqlRow], limit: usize) -> Result<SaidRows, sqlx::Error> {
    let shown = &rows[..rows.len().min(limit)];
    let items = shown.iter().map(|row| row.text(3)).collect::<Result<_, _>>()?;
    let number = |row: &SqlRow, column| row.count(column).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let place = |row: &SqlRow| {
        Ok::<_, sqlx::Error>(Place { before: number(row, 0)?, at: row.int(1)?, seq: number(row, 2)? })
    };
    let last = shown.last().filter(|_| rows.len() > limit);
    Ok(SaidRows { items, next: last.map(place).transpose()? })
}
