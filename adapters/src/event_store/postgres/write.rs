//! Writes events into PostgreSQL: a batch is one statement, one transaction, one round trip.

use std::future::Future;
use std::time::Instant;

use async_trait::async_trait;
use domain::envelope::{Position, StreamId, Version};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, Postgres as Dialect};
use sqlx::query::Query;
use sqlx::{ConnectOptions, Connection, Row as _};
use tokio::time::timeout;
use uuid::Uuid;

use super::super::backend::{Backend, Fault, Row};
use super::super::resolve::{Place, StoreState};
use super::{CONNECT, STATEMENT, TRUSTED};
use crate::database::in_words;

/// Draws as many positions as there are rows and inserts them. The lock on `log_head` is held from here to the
/// commit, which the server performs at the end of the statement and before it answers. The commit waits for the
/// disk, whatever the server's default is. The statement waits for the lock for at most three seconds, should
/// another node hang while it holds it. Both settings end with the transaction.
const APPEND: &str = "
WITH moved AS (
    UPDATE log_head SET head = head + $1
    WHERE set_config('synchronous_commit', 'on', true) = 'on' AND set_config('lock_timeout', '3s', true) = '3s'
    RETURNING head - $1 AS before
), appended AS (
    INSERT INTO events
        (position, stream, version, id, type, schema, client_id, payload, metadata, recorded_at)
    SELECT moved.before + n, stream, version, id, type, schema, client_id, payload, metadata, recorded_at
    FROM moved, unnest($2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::int[], $7::uuid[], $8::bytea[],
        $9::text[], $10::timestamptz[])
        WITH ORDINALITY AS new
        (stream, version, id, type, schema, client_id, payload, metadata, recorded_at, n)
)
SELECT before + 1 FROM moved";

const VERSIONS: &str = "
SELECT stream, (SELECT coalesce(max(version), 0) FROM events WHERE events.stream = asked.stream)
FROM unnest($1::text[]) AS asked (stream)";

const PLACES: &str = "SELECT id, stream, version, position FROM events WHERE id = ANY($1)";

#[derive(Debug)]
pub(super) struct Postgres {
    options: PgConnectOptions,
    /// `None` after a failure; the next command connects again.
    connection: Option<(PgConnection, Instant)>,
}

impl Postgres {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None }
    }

    /// Takes a living connection out of the slot. The caller puts it back only after a command that left it usable.
    async fn connection(&mut self) -> Result<PgConnection, String> {
        if let Some((mut connection, used)) = self.connection.take() {
            // tests an idle connection before anything is at stake: the server may have restarted
            if used.elapsed() < TRUSTED || in_time(connection.ping()).await.is_ok() {
                return Ok(connection);
            }
        }
        match timeout(CONNECT, self.options.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(in_words(&error)),
            Err(_) => Err("the server cannot be reached in time".to_owned()),
        }
    }

    async fn append(&mut self, rows: &[Row<'_>]) -> Result<Position, Failure> {
        let mut connection = self.connection().await.map_err(Failure::Unreached)?;
        let answer = in_time(append(rows).fetch_all(&mut connection)).await;
        let first =
            answer.and_then(|rows| rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get::<i64, _>(0));
        if first.is_ok() || first.as_ref().is_err_and(is_clash) {
            self.put_back(connection);
        }
        first.map(|first| Position(first.unsigned_abs())).map_err(Failure::Sent)
    }

    fn put_back(&mut self, connection: PgConnection) {
        self.connection = Some((connection, Instant::now()));
    }
}

async fn in_time<T>(command: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    timeout(STATEMENT, command).await.unwrap_or_else(late)
}

fn append(rows: &[Row<'_>]) -> Query<'static, Dialect, PgArguments> {
    fn column<'a, T>(rows: &'a [Row<'a>], of: impl Fn(&'a Row<'a>) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query(APPEND)
        .bind(rows.len() as i64)
        .bind(column(rows, |row| row.event.stream.as_str()))
        .bind(column(rows, |row| row.version.0 as i64))
        .bind(column(rows, |row| row.event.id))
        .bind(column(rows, |row| row.event.event_type.as_str()))
        .bind(column(rows, |row| i32::from(row.event.schema)))
        .bind(column(rows, |row| row.event.client_id.0))
        .bind(column(rows, |row| row.event.payload.as_ref()))
        // JSON made by serde_json is UTF-8
        .bind(column(rows, |row| std::str::from_utf8(&row.event.metadata).unwrap_or_default()))
        .bind(column(rows, |row| row.event.recorded_at))
}

enum Failure {
    /// The server could not be reached, so nothing was sent.
    Unreached(String),
    Sent(sqlx::Error),
}

impl Failure {
    /// What the failure means for the rows of the batch.
    fn fault(self) -> Fault {
        match self {
            Self::Unreached(why) => Fault::NotWritten(why),
            Self::Sent(error) if is_clash(&error) => Fault::Clash,
            // the server answers with an error only when it has rolled the transaction back
            Self::Sent(error) if error.as_database_error().is_some() => Fault::NotWritten(in_words(&error)),
            Self::Sent(error) => Fault::Unknown(in_words(&error)),
        }
    }
}

pub(super) fn is_clash(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Whether the server ended the connection instead of executing (SQLSTATE 57P01 to 57P05).
fn was_sent_away(failure: &Failure) -> bool {
    let Failure::Sent(error) = failure else { return false };
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code.starts_with("57P0"))
}

async fn look_up(
    connection: &mut PgConnection,
    streams: &[StreamId],
    ids: &[Uuid],
) -> Result<StoreState, sqlx::Error> {
    let mut state = StoreState { asked: ids.iter().copied().collect(), ..StoreState::default() };
    if !streams.is_empty() {
        let names: Vec<_> = streams.iter().map(StreamId::as_str).collect();
        for row in sqlx::query(VERSIONS).bind(names).fetch_all(&mut *connection).await? {
            state.versions.insert(stream(&row, 0)?, Version(row.try_get::<i64, _>(1)?.unsigned_abs()));
        }
    }
    if !ids.is_empty() {
        for row in sqlx::query(PLACES).bind(ids).fetch_all(connection).await? {
            let place = Place {
                stream: stream(&row, 1)?,
                version: Version(row.try_get::<i64, _>(2)?.unsigned_abs()),
                position: Position(row.try_get::<i64, _>(3)?.unsigned_abs()),
            };
            state.places.insert(row.try_get(0)?, place);
        }
    }
    Ok(state)
}

fn stream(row: &sqlx::postgres::PgRow, index: usize) -> Result<StreamId, sqlx::Error> {
    let name = row.try_get::<String, _>(index)?;
    name.try_into().map_err(|error: domain::envelope::BadStreamId| sqlx::Error::Decode(error.into()))
}

#[async_trait]
impl Backend for Postgres {
    const ENGINE: &'static str = "postgres";

    async fn look_up(&mut self, streams: &[StreamId], ids: &[Uuid]) -> Result<StoreState, Fault> {
        let mut connection = self.connection().await.map_err(Fault::NotWritten)?;
        let state = in_time(look_up(&mut connection, streams, ids)).await;
        let state = state.map_err(|error| Fault::NotWritten(in_words(&error)))?;
        self.put_back(connection);
        Ok(state)
    }

    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<Position, Fault> {
        let reused = self.connection.is_some();
        match self.append(rows).await {
            // the server ended this connection while it lay idle, and did so before it saw the statement
            Err(error) if reused && was_sent_away(&error) => self.append(rows).await,
            answer => answer,
        }
        .map_err(Failure::fault)
    }

    async fn close(self) {
        if let Some((connection, _)) = self.connection {
            // the server notices by itself if this does not reach it
            let _ = in_time(connection.close()).await;
        }
    }
}
