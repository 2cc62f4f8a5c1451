//! Reads events out of SQLite.

use domain::envelope::{Position, Recorded, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::ports::event_store::{Direction, MAX_PAGE_BYTES, ReadError};
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite};
use uuid::Uuid;

use super::super::Unreadable;
use super::super::backend::unreadable;
use super::super::tail::weight;

// `LIMIT ? + 0`, here and wherever a limit is bound: by `LIMIT ?` SQLite would plan the statement anew each time,
// for the value may change the plan.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT position, stream, version, id, type, schema, client_id, payload, metadata, recorded_at ",
            "FROM events ",
            $rest
        )
    };
}

pub(in super::super) async fn read_all(
    reads: &SqlitePool,
    after: Position,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let query = sqlx::query(select!("WHERE position > ? ORDER BY position LIMIT ? + 0"));
    page(reads, query.bind(number(after.0)).bind(number(limit as u64))).await
}

pub(in super::super) async fn read_stream(
    reads: &SqlitePool,
    stream: &StreamId,
    from: Version,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let (query, from) = match (direction, from) {
        (Direction::Forwards, from) => {
            (select!("WHERE stream = ? AND version > ? ORDER BY version LIMIT ? + 0"), number(from.0))
        }
        (Direction::Backwards, from) => (
            select!("WHERE stream = ? AND version < ? ORDER BY version DESC LIMIT ? + 0"),
            if from == Version::NONE { i64::MAX } else { number(from.0) },
        ),
    };
    page(reads, sqlx::query(query).bind(stream.as_str()).bind(from).bind(number(limit as u64))).await
}

/// Up to `limit` rows after `after` and up to `upto`, for an auditor: rows that are no events are reported
/// as such and skipped.
pub(in super::super) async fn rows(
    reads: &SqlitePool,
    after: Position,
    upto: Position,
    limit: usize,
) -> Result<Vec<Result<Recorded, Unreadable>>, ReadError> {
    let query = sqlx::query(select!("WHERE position > ? AND position <= ? ORDER BY position LIMIT ? + 0"));
    let query = query.bind(number(after.0)).bind(number(upto.0)).bind(number(limit as u64));
    let (mut found, mut rows) = (Vec::with_capacity(limit), query.fetch(reads));
    while let Some(row) = rows.try_next().await.map_err(|error| unreadable(&error))? {
        let event = decode(&row).and_then(|event| written_as_ever(&row).map(|()| event));
        found.push(event.map_err(|error| Unreadable {
            position: Position(row.try_get::<i64, _>(0).map_or(0, i64::unsigned_abs)),
            why: error.to_string(),
        }));
    }
    Ok(found)
}

/// Refuses ids in another spelling than this program writes: a UUID can be written in several ways.
fn written_as_ever(row: &SqliteRow) -> Result<(), sqlx::Error> {
    for index in [3, 6] {
        let text: &str = row.try_get_unchecked(index)?;
        if text.len() != 36 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(sqlx::Error::Decode("an id is not written as it was".into()));
        }
    }
    Ok(())
}

async fn page(
    reads: &SqlitePool,
    query: sqlx::query::Query<'_, Sqlite, SqliteArguments>,
) -> Result<Vec<Recorded>, ReadError> {
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

fn recorded(row: &SqliteRow) -> Result<Recorded, ReadError> {
    decode(row).map_err(|error| {
        let position = row.try_get::<i64, _>(0).map_or(0, i64::unsigned_abs);
        ReadError::Damaged { position: Position(position), detail: error.to_string() }
    })
}

fn decode(row: &SqliteRow) -> Result<Recorded, sqlx::Error> {
    // the table is STRICT: a column holds its declared type and nothing else
    let bad = |column: &str, error: sqlx::error::BoxDynError| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error,
    };
    let integer = |index: usize| row.try_get_unchecked::<i64, _>(index);
    let uuid = |index: usize, column: &str| -> Result<Uuid, sqlx::Error> {
        Uuid::try_parse(row.try_get_unchecked::<&str, _>(index)?).map_err(|error| bad(column, error.into()))
    };
    Ok(Recorded {
        position: Position(integer(0)?.unsigned_abs()),
        stream: row
            .try_get_unchecked::<String, _>(1)?
            .try_into()
            .map_err(|error: domain::envelope::BadStreamId| bad("stream", error.into()))?,
        version: Version(integer(2)?.unsigned_abs()),
        id: uuid(3, "id")?,
        event_type: row.try_get_unchecked(4)?,
        schema: integer(5)?
            .try_into()
            .map_err(|error: std::num::TryFromIntError| bad("schema", error.into()))?,
        client_id: ClientId(uuid(6, "client_id")?),
        payload: row.try_get_unchecked::<Vec<u8>, _>(7)?.into(),
        metadata: row.try_get_unchecked::<&[u8], _>(8)?.to_vec().into(),
        recorded_at: Time::from_timestamp_micros(integer(9)?)
            .ok_or_else(|| bad("recorded_at", "out of range".into()))?,
    })
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
