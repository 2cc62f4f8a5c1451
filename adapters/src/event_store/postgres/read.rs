//! Reads events out of PostgreSQL.

use domain::envelope::{Position, Recorded, StreamId, Version};
use domain::ids::ClientId;
use domain::ports::event_store::{Direction, MAX_PAGE_BYTES, ReadError};
use futures::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::{PgArguments, PgPool, PgRow, Postgres};
use sqlx::query::Query;

use super::super::Unreadable;
use super::super::backend::unreadable;
use super::super::tail::weight;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT position, stream, version, id, type, schema, client_id, payload, metadata, recorded_at ",
            "FROM events ",
            $rest
        )
    };
}

pub(super) async fn head(reads: &PgPool) -> Result<Position, sqlx::Error> {
    let head: i64 = sqlx::query_scalar("SELECT head FROM log_head").fetch_one(reads).await?;
    Ok(Position(head.unsigned_abs()))
}

pub(super) async fn read_all(
    reads: &PgPool,
    after: Position,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let query = sqlx::query(select!("WHERE position > $1 ORDER BY position LIMIT $2"));
    page(reads, query.bind(number(after.0)).bind(number(limit as u64))).await
}

pub(super) async fn read_stream(
    reads: &PgPool,
    stream: &StreamId,
    from: Version,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let (query, from) = match (direction, from) {
        (Direction::Forwards, from) => {
            (select!("WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3"), number(from.0))
        }
        (Direction::Backwards, from) => (
            select!("WHERE stream = $1 AND version < $2 ORDER BY version DESC LIMIT $3"),
            if from == Version::NONE { i64::MAX } else { number(from.0) },
        ),
    };
    page(reads, sqlx::query(query).bind(stream.as_str()).bind(from).bind(number(limit as u64))).await
}

/// Up to `limit` rows after `after` and up to `upto`, for an auditor: rows that are no events are reported
/// as such and skipped.
pub(in super::super) async fn rows(
    reads: &PgPool,
    after: Position,
    upto: Position,
    limit: usize,
) -> Result<Vec<Result<Recorded, Unreadable>>, ReadError> {
    let query = sqlx::query(select!("WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3"));
    let query = query.bind(number(after.0)).bind(number(upto.0)).bind(number(limit as u64));
    let (mut found, mut rows) = (Vec::with_capacity(limit), query.fetch(reads));
    while let Some(row) = rows.try_next().await.map_err(|error| unreadable(&error))? {
        found.push(decode(&row).map_err(|error| Unreadable {
            position: Position(row.try_get::<i64, _>(0).map_or(0, i64::unsigned_abs)),
            why: error.to_string(),
        }));
    }
    Ok(found)
}

async fn page(reads: &PgPool, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<Recorded>, ReadError> {
    let mut rows = query.fetch(reads);
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await.map_err(|error| unreadable(&error))? {
        let event = recorded(&row)?;
        bytes += weight(&event);
        if bytes > MAX_PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(event);
    }
    Ok(page)
}

fn recorded(row: &PgRow) -> Result<Recorded, ReadError> {
    decode(row).map_err(|error| {
        let position = row.try_get::<i64, _>(0).map_or(0, i64::unsigned_abs);
        ReadError::Damaged { position: Position(position), detail: error.to_string() }
    })
}

fn decode(row: &PgRow) -> Result<Recorded, sqlx::Error> {
    let bad = |column: &str, error: sqlx::error::BoxDynError| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error,
    };
    let number = |index: usize| row.try_get::<i64, _>(index).map(i64::unsigned_abs);
    let stream = row.try_get::<String, _>(1)?.try_into();
    let schema = row.try_get::<i32, _>(5)?.try_into();
    Ok(Recorded {
        position: Position(number(0)?),
        stream: stream.map_err(|error: domain::envelope::BadStreamId| bad("stream", error.into()))?,
        version: Version(number(2)?),
        id: row.try_get(3)?,
        event_type: row.try_get(4)?,
        schema: schema.map_err(|error: std::num::TryFromIntError| bad("schema", error.into()))?,
        client_id: ClientId(row.try_get(6)?),
        payload: row.try_get::<Vec<u8>, _>(7)?.into(),
        metadata: row.try_get::<String, _>(8)?.into_bytes().into(),
        recorded_at: row.try_get(9)?,
    })
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
