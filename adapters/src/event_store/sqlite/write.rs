//! Writes events into SQLite: a whole batch is one command to the connection's thread.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{Position, Recorded, StreamId, Version};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteExecutor, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, Executor, Row as _};
use uuid::Uuid;

use super::super::backend::{Backend, Fault, Row};
use super::super::resolve::{Place, StoreState};
use super::lock::WriteLock;
use super::{OpenError, SqliteSettings};
use crate::database::{OpenFile, in_words};

/// Pages of 4 KiB in the WAL before a commit also moves them into the database: 16 MiB. Few, large checkpoints
/// cost fewer flushes than many small ones, but the commit that makes one waits for it.
pub(super) const CHECKPOINT_PAGES: &str = "4096";
/// Size in bytes that an empty WAL is cut back to after a long read made it grow (64 MiB).
pub(super) const WAL_KEPT: &str = "67108864";
/// Page cache of the writing connection, in KiB (negative by SQLite's convention).
const CACHE: &str = "-2048";
/// Row counts of the prepared inserts. A batch takes the smallest that fits; rows left unbound are NULL and dropped.
const SIZES: [usize; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const COLUMNS: usize = 10;

#[derive(Debug)]
pub(super) struct Sqlite {
    options: SqliteConnectOptions,
    max_bytes: Option<u64>,
    /// `None` after a failure that leaves the connection in doubt; the next command connects again.
    connection: Option<SqliteConnection>,
    /// `None` when a failure leaves the head in doubt; read again before the next commit.
    head: Option<u64>,
    inserts: Vec<(usize, Arc<str>)>,
    /// The file that was opened: rows committed to a file that was since removed or replaced do not count as written.
    file: OpenFile,
    _lock: WriteLock,
}

impl Sqlite {
    pub(super) async fn open(
        options: SqliteConnectOptions,
        settings: &SqliteSettings,
        lock: WriteLock,
    ) -> Result<Self, OpenError> {
        let options = options
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", WAL_KEPT)
            .pragma("cache_size", CACHE);
        let inserts = SIZES.iter().map(|&size| (size, insert(size))).collect();
        let max_bytes = settings.max_bytes;
        let file = OpenFile::at(options.get_filename()).map_err(sqlx::Error::Io)?;
        let mut sqlite =
            Self { options, max_bytes, connection: None, head: None, inserts, file, _lock: lock };
        let mut connection = sqlite.connect().await?;
        sqlite.head = Some(head(&mut connection).await?);
        sqlite.connection = Some(connection);
        Ok(sqlite)
    }

    /// Newest position when the log was opened.
    pub(super) fn head(&self) -> Position {
        Position(self.head.unwrap_or(0))
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        if let Some(bytes) = self.max_bytes {
            let page: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut connection).await?;
            let pages = bytes / page.unsigned_abs().max(1);
            connection.execute(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).await?;
        }
        Ok(connection)
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn write(&mut self, rows: &[Row<'_>]) -> Result<u64, sqlx::Error> {
        self.file.check()?;
        let known = self.head.take();
        let fitting = self.inserts.iter().find(|(size, _)| *size >= rows.len());
        let sql = fitting.map_or_else(|| insert(rows.len()), |(_, sql)| Arc::clone(sql));
        let connection = self.connection().await?;
        let head = match known {
            Some(head) => head,
            None => head(connection).await?,
        };
        let arguments = bind(rows, head).map_err(sqlx::Error::Encode)?;
        sqlx::query_with(AssertSqlSafe(sql), arguments).execute(connection).await?;
        self.file.check()?;
        self.head = Some(head + rows.len() as u64);
        Ok(head + 1)
    }

    /// Rolls a failed batch's transaction back, or else drops the whole connection.
    async fn take_back(&mut self) {
        if let Some(mut connection) = self.connection.take()
            // fails outside of a transaction, where there is nothing to roll back
            && (connection.execute("ROLLBACK").await.is_ok() || connection.execute("SELECT 1").await.is_ok())
        {
            self.connection = Some(connection);
        }
    }
}

pub(super) async fn head(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let head: i64 =
        sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM events").fetch_one(connection).await?;
    Ok(head.unsigned_abs())
}

/// The SQL of a transaction that inserts up to `size` rows; the connection's thread runs it in one go.
fn insert(size: usize) -> Arc<str> {
    format!("BEGIN IMMEDIATE; {}; COMMIT", insert_rows(size)).into()
}

/// The SQL that inserts up to `size` rows.
pub(super) fn insert_rows(size: usize) -> String {
    let row = format!("({})", ["?"; COLUMNS].join(","));
    let rows = vec![row; size].join(",");
    format!(
        "INSERT INTO events (position, stream, version, id, type, schema, client_id, payload, metadata, recorded_at) \
         SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL"
    )
}

/// The arguments for the rows that follow position `head`.
pub(super) fn bind(rows: &[Row<'_>], head: u64) -> Result<SqliteArguments, sqlx::error::BoxDynError> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(rows.len() * COLUMNS, 0);
    for (row, position) in rows.iter().zip(head + 1..) {
        bind_event(&mut arguments, Position(position), row.version, row.event)?;
    }
    Ok(arguments)
}

/// Binds the ten columns of an event, which takes its position and version from the call.
pub(in super::super) fn bind_event(
    arguments: &mut SqliteArguments,
    position: Position,
    version: Version,
    event: &Recorded,
) -> Result<(), sqlx::error::BoxDynError> {
    let mut text = Uuid::encode_buffer();
    arguments.add(i64::try_from(position.0)?)?;
    arguments.add(event.stream.as_str())?;
    arguments.add(i64::try_from(version.0)?)?;
    arguments.add(&*event.id.hyphenated().encode_lower(&mut text))?;
    arguments.add(event.event_type.as_str())?;
    arguments.add(i64::from(event.schema))?;
    arguments.add(&*event.client_id.0.hyphenated().encode_lower(&mut text))?;
    arguments.add(event.payload.as_ref())?;
    arguments.add(std::str::from_utf8(&event.metadata)?)?;
    arguments.add(event.recorded_at.timestamp_micros())
}

/// What a failed command means for the rows of the batch.
pub(super) fn fault(error: &sqlx::Error) -> Fault {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    let Some(code) = code else {
        // the thread of the connection is gone, or the command never reached it
        return Fault::Unknown(in_words(error));
    };
    match (code, code & 0xff) {
        // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE, _ROWID
        (1555 | 2067 | 2579, _) => Fault::Clash,
        // an I/O error may strike after the commit record was written but before it was known to be flushed
        (_, 10) => Fault::Unknown(in_words(error)),
        _ => Fault::NotWritten(in_words(error)),
    }
}

#[async_trait]
impl Backend for Sqlite {
    const ENGINE: &'static str = "sqlite";

    async fn look_up(&mut self, streams: &[StreamId], ids: &[Uuid]) -> Result<StoreState, Fault> {
        let mut state = StoreState { asked: ids.iter().copied().collect(), ..StoreState::default() };
        let looked_up = async {
            let connection = self.connection().await?;
            if !streams.is_empty() {
                state.versions = versions(&mut *connection, streams).await?;
            }
            if !ids.is_empty() {
                state.places = places(connection, ids).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        match looked_up.await {
            Ok(()) => Ok(state),
            Err(error) => {
                self.connection = None;
                Err(Fault::NotWritten(in_words(&error)))
            }
        }
    }

    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<Position, Fault> {
        match self.write(rows).await {
            Ok(first) => Ok(Position(first)),
            Err(error) => {
                let fault = fault(&error);
                match fault {
                    Fault::Unknown(_) => self.connection = None,
                    Fault::Clash | Fault::NotWritten(_) => self.take_back().await,
                }
                Err(fault)
            }
        }
    }

    async fn close(self) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the event log was not closed cleanly; it recovers when opened again");
        }
    }
}

/// The newest version of each of these streams, 0 for one without events.
pub(in super::super) async fn versions(
    from: impl SqliteExecutor<'_>,
    streams: &[StreamId],
) -> Result<HashMap<StreamId, Version>, sqlx::Error> {
    let sql =
        "SELECT value, (SELECT coalesce(max(version), 0) FROM events WHERE stream = value) FROM json_each(?)";
    let rows = sqlx::query(sql).bind(sqlx::types::Json(streams)).fetch_all(from).await?;
    let version =
        |row: SqliteRow| Ok((parse(row.try_get(0)?)?, Version(row.try_get::<i64, _>(1)?.unsigned_abs())));
    rows.into_iter().map(version).collect()
}

/// The places of those of these ids that are stored.
pub(in super::super) async fn places(
    from: impl SqliteExecutor<'_>,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Place>, sqlx::Error> {
    let sql = "SELECT id, stream, version, position FROM events WHERE id IN (SELECT value FROM json_each(?))";
    let rows = sqlx::query(sql).bind(sqlx::types::Json(ids)).fetch_all(from).await?;
    let place = |row: SqliteRow| {
        let place = Place {
            stream: parse(row.try_get(1)?)?,
            version: Version(row.try_get::<i64, _>(2)?.unsigned_abs()),
            position: Position(row.try_get::<i64, _>(3)?.unsigned_abs()),
        };
        Ok((parse(row.try_get(0)?)?, place))
    };
    rows.into_iter().map(place).collect()
}

fn parse<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: &str,
) -> Result<T, sqlx::Error> {
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.into()))
}
