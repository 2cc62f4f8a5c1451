//! The description of a view's table for the generic code that writes, loads and compares rows.

use projections::view::Row;

use crate::sql::value::{Kind, SqlRow, Value};

/// A column other than `generation`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Part of the primary key, together with the generation.
    Key,
    /// Never changes after the insert: an update leaves it, and the indexes on it, alone.
    Fixed,
    /// May change with an update.
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

/// A row type with its table.
pub(super) trait Table: Row {
    const NAME: &'static str;
    /// All columns but `generation`, the keys first. One must be called `position`.
    const COLUMNS: &'static [Column];
    /// The column with the time when a row ended; retention deletes rows by it. `None`: rows are kept.
    const ENDED: Option<&'static str> = None;

    /// A table of what the rows are found by besides their columns: several values a row. It has the columns
    /// `generation`, `client_id`, `owner` (the row's id), `key_hash` and `created_at`. `None`: there is none.
    const KEYS: Option<&'static str> = None;

    /// The row's entries in the table of [`KEYS`](Self::KEYS): each is the client, the row's id, the hash, and the
    /// row's time of creation.
    fn key_entries(&self) -> Vec<[Value<'_>; 4]> {
        Vec::new()
    }

    /// The row's values, in the order of the columns.
    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error>;

    /// A key's values, in the order of the key columns.
    fn key_values(key: &Self::Key) -> Vec<Value<'static>>;

    /// Reads a row from its columns, in their order.
    fn read(row: &SqlRow) -> Result<Self, sqlx::Error>;
}
