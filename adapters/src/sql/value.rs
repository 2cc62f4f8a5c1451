//! Values and rows of both databases, so that all SQL above is written once.

use std::borrow::Cow;

use domain::envelope::{Position, Time};
use sha2::{Digest as _, Sha256};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{Arguments as _, ColumnIndex, Decode, Row as _, Type};
use uuid::Uuid;

/// Type of a column. Times are microseconds in SQLite and `timestamptz` in PostgreSQL; JSON is text in SQLite
/// and `jsonb` in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Uuid,
    Int,
    Bool,
    Text,
    Time,
    Json,
    Bytes,
}

/// A value to bind to a placeholder.
#[derive(Debug, Clone)]
pub(crate) enum Value<'v> {
    Null(Kind),
    Uuid(Uuid),
    Int(i64),
    Bool(bool),
    Text(Cow<'v, str>),
    Time(Time),
    Bytes(&'v [u8]),
    Blob(Vec<u8>),
    /// A client's text that is stored as a keyed hash; see `blind`.
    Blind(Uuid, Cow<'v, str>),
}

impl<'v> Value<'v> {
    pub(crate) fn text(text: &'v str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }

    pub(crate) fn text_option(text: Option<&'v str>) -> Self {
        text.map_or(Value::Null(Kind::Text), Value::text)
    }

    pub(crate) fn uuid_option(id: Option<Uuid>) -> Self {
        id.map_or(Value::Null(Kind::Uuid), Value::Uuid)
    }

    /// An integer from an unsigned count; positions and versions stay far below 2^63.
    pub(crate) fn count(count: u64) -> Self {
        Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(crate) fn position(position: Position) -> Self {
        Self::count(position.0)
    }
}

/// The SQL dialect of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// The values of a statement, in the order of its placeholders.
#[derive(Debug)]
pub(crate) enum Args {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

impl Args {
    pub(crate) fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => Args::Sqlite(SqliteArguments::default()),
            Dialect::Postgres => Args::Postgres(PgArguments::default()),
        }
    }

    pub(crate) fn reserve(&mut self, more: usize) {
        match self {
            Args::Sqlite(args) => args.reserve(more, 0),
            Args::Postgres(args) => args.reserve(more, more * 16),
        }
    }

    pub(crate) fn push(&mut self, value: Value<'_>) -> Result<(), sqlx::Error> {
        match self {
            Args::Sqlite(args) => push_sqlite(args, value),
            Args::Postgres(args) => push_postgres(args, value),
        }
        .map_err(sqlx::Error::Encode)
    }
}

fn push_sqlite(args: &mut SqliteArguments, value: Value<'_>) -> Result<(), BoxDynError> {
    match value {
        Value::Null(_) => args.add(None::<i64>),
        Value::Uuid(id) => args.add(id),
        Value::Int(int) => args.add(int),
        Value::Bool(bool) => args.add(bool),
        Value::Text(Cow::Owned(text)) => args.add(text),
        Value::Text(Cow::Borrowed(text)) => args.add(text),
        Value::Time(time) => args.add(time.timestamp_micros()),
        Value::Bytes(bytes) => args.add(bytes),
        Value::Blob(bytes) => args.add(bytes),
        // only its hash may be stored
        Value::Blind(..) => Err("a text to be searched by was not hashed".into()),
    }
}

fn push_postgres(args: &mut PgArguments, value: Value<'_>) -> Result<(), BoxDynError> {
    match value {
        Value::Null(Kind::Uuid) => args.add(None::<Uuid>),
        Value::Null(Kind::Int) => args.add(None::<i64>),
        Value::Null(Kind::Bool) => args.add(None::<bool>),
        Value::Null(Kind::Text | Kind::Json) => args.add(None::<String>),
        Value::Null(Kind::Time) => args.add(None::<DateTime<Utc>>),
        Value::Null(Kind::Bytes) => args.add(None::<Vec<u8>>),
        Value::Uuid(id) => args.add(id),
        Value::Int(int) => args.add(int),
        Value::Bool(bool) => args.add(bool),
        Value::Text(text) => args.add(text),
        Value::Time(time) => args.add(time),
        Value::Bytes(bytes) => args.add(bytes),
        Value::Blob(bytes) => args.add(bytes),
        // only its hash may be stored
        Value::Blind(..) => Err("a text to be searched by was not hashed".into()),
    }
}

/// A placeholder: numbered in PostgreSQL, unnumbered in SQLite, which would look numbers up one by one.
pub(crate) fn placeholder(dialect: Dialect, number: usize) -> String {
    match dialect {
        Dialect::Sqlite => "?".to_owned(),
        Dialect::Postgres => format!("${number}"),
    }
}

/// The cast that a placeholder needs behind its number, or an empty text.
pub(crate) const fn cast(dialect: Dialect, kind: Kind) -> &'static str {
    match (dialect, kind) {
        (Dialect::Postgres, Kind::Json) => "::jsonb",
        _ => "",
    }
}

/// A row of a result. Columns are numbered from 0.
#[derive(Debug)]
pub(crate) enum SqlRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl SqlRow {
    fn get<'r, T>(&'r self, column: usize) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite> + Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
        usize: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            SqlRow::Sqlite(row) => row.try_get(column),
            SqlRow::Postgres(row) => row.try_get(column),
        }
    }

    pub(crate) fn uuid(&self, column: usize) -> Result<Uuid, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn uuid_option(&self, column: usize) -> Result<Option<Uuid>, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn count(&self, column: usize) -> Result<u64, sqlx::Error> {
        Ok(u64::try_from(self.int(column)?).unwrap_or(0))
    }

    pub(crate) fn position(&self, column: usize) -> Result<Position, sqlx::Error> {
        self.count(column).map(Position)
    }

    pub(crate) fn bool(&self, column: usize) -> Result<bool, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn text(&self, column: usize) -> Result<String, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn text_option(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn int_option(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn bytes_option(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        self.get(column)
    }

    pub(crate) fn time(&self, column: usize) -> Result<Time, sqlx::Error> {
        match self {
            SqlRow::Sqlite(row) => micros(row.try_get(column)?),
            SqlRow::Postgres(row) => row.try_get(column),
        }
    }

    pub(crate) fn time_option(&self, column: usize) -> Result<Option<Time>, sqlx::Error> {
        match self {
            SqlRow::Sqlite(row) => row.try_get::<Option<i64>, _>(column)?.map(micros).transpose(),
            SqlRow::Postgres(row) => row.try_get(column),
        }
    }

    /// Adds a column with its length to a hash, so that different rows never hash the same bytes.
    pub(crate) fn hash(&self, column: usize, kind: Kind, hash: &mut Sha256) -> Result<(), sqlx::Error> {
        let bytes = match kind {
            Kind::Uuid => self.get::<Option<Uuid>>(column)?.map(|id| id.as_bytes().to_vec()),
            Kind::Int => self.get::<Option<i64>>(column)?.map(|int| int.to_be_bytes().to_vec()),
            Kind::Bool => self.get::<Option<bool>>(column)?.map(|bool| vec![u8::from(bool)]),
            Kind::Time => {
                self.time_option(column)?.map(|time| time.timestamp_micros().to_be_bytes().to_vec())
            }
            Kind::Text => self.text_option(column)?.map(String::into_bytes),
            Kind::Json => self.json(column)?.map(String::into_bytes),
            Kind::Bytes => self.get(column)?,
        };
        match bytes {
            None => hash.update([0]),
            Some(bytes) => {
                hash.update([1]);
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(&bytes);
            }
        }
        Ok(())
    }

    /// JSON as text; on PostgreSQL in the server's normal form.
    fn json(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        match self {
            SqlRow::Sqlite(row) => row.try_get(column),
            SqlRow::Postgres(row) => {
                let value: Option<sqlx::types::JsonValue> = row.try_get(column)?;
                Ok(value.map(|value| value.to_string()))
            }
        }
    }
}

fn micros(micros: i64) -> Result<Time, sqlx::Error> {
    Time::from_timestamp_micros(micros).ok_or_else(|| sqlx::Error::Decode("a time out of range".into()))
}

/// Converts the result of parsing a stored word, id or document into a database error.
pub(crate) fn parsed<T, E: std::error::Error + Send + Sync + 'static>(
    result: Result<T, E>,
) -> Result<T, sqlx::Error> {
    result.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
