//! What a view's table looks like to the code that writes, loads and compares rows of any of them.

use projections::view::Row;

use crate::sql::value::{Kind, SqlRow, Value};

/// A column besides `generation`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Finds the row, together with the generation.
    Key,
    /// Never changes once the row is there: an update leaves it, and the indexes on it, alone.
    Fixed,
    /// May change.
    Changing,
}

pub(super) const fn key(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, role: Role::Key }
}

pub(super) const fn fixed(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, role: Role::Fixed }
}

pub(super) const fn changing(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, role: Role::Changing }
}

/// A row with a table.
pub(super) trait Table: Row {
    const NAME: &'static str;
    /// All columns but `generation`, the keys first. One is called `position`.
    const COLUMNS: &'static [Column];
    /// When a row has ended: retention takes those away that did before a time.
    const ENDED: Option<&'static str> = None;

    /// The values, in the order of the columns.
    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error>;

    /// The values of a key, in the order of the key columns.
    fn key_values(key: &Self::Key) -> Vec<Value<'static>>;

    /// The row from its columns, in their order.
    fn read(row: &SqlRow) -> Result<Self, sqlx::Error>;
}
