//! A PostgreSQL log that another one is copied into: a transaction for each write, whose rows go by `COPY` in binary.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::{Position, Recorded};
use domain::ports::event_store::EventStore;
use domain::ports::log_target::{LogTarget, WriteError, must_follow};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::super::{CopyFailure, OpenError, taken};
use super::write::is_clash;
use super::{CONNECT, PostgresEventStore, options};
use crate::database::{Part, SecretUrl, in_words, migrate_postgres};

/// Time limit for one write: rows of 16 MiB and the flush.
const WRITE: Duration = Duration::from_secs(60);
/// Rows are sent in pieces of about this many bytes.
const PIECE: usize = 1 << 20;
/// Microseconds from 1970 to 2000, from where PostgreSQL counts.
const EPOCH: i64 = 946_684_800_000_000;

/// Moves the head from where the events begin to where they end; the row stays locked until the commit, and no other
/// node can append meanwhile. Settings as for an append.
const MOVE_HEAD: &str = "
UPDATE log_head SET head = $2
WHERE head = $1
    AND set_config('synchronous_commit', 'on', true) = 'on' AND set_config('lock_timeout', '3s', true) = '3s'";

const COPY: &str = "
COPY events (position, stream, version, id, type, schema, client_id, payload, metadata, recorded_at)
FROM STDIN (FORMAT binary)";

/// The log in the table `events` of a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresLogTarget {
    options: PgConnectOptions,
    /// `None` after a failure; the next write connects again.
    connection: Option<PgConnection>,
    reads: Arc<PostgresEventStore>,
}

impl PostgresLogTarget {
    /// Opens the log and brings its schema up to date. Fails when the server cannot be reached, is too old, or its
    /// schema is newer than this build.
    pub async fn open(url: &SecretUrl) -> Result<Self, OpenError> {
        let options = options(url)?;
        migrate_postgres(options.clone(), Part::Log).await?;
        let reads = Arc::new(PostgresEventStore::open_read_only(url).await?);
        Ok(Self { options, connection: None, reads })
    }

    async fn connect(&self) -> Result<PgConnection, WriteError> {
        match timeout(CONNECT, self.options.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(WriteError::Unavailable(in_words(&error))),
            Err(_) => Err(WriteError::Unavailable("the server cannot be reached in time".to_owned())),
        }
    }
}

async fn commit(connection: &mut PgConnection, events: &[Recorded]) -> Result<(), CopyFailure> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
    let before = Position(first.position.0.saturating_sub(1));
    must_follow(before, events).map_err(CopyFailure::Refused)?;
    let mut transaction = connection.begin().await?;
    let moved = sqlx::query(MOVE_HEAD).bind(number(before.0)).bind(number(last.position.0));
    if moved.execute(&mut *transaction).await?.rows_affected() != 1 {
        let why = format!(
            "event {} does not go on where the target ends: it holds something else, or something else writes it",
            first.position
        );
        return Err(CopyFailure::Refused(WriteError::Refused(why)));
    }
    let mut copy = transaction.copy_in_raw(COPY).await?;
    let mut piece = Vec::with_capacity(PIECE + (PIECE >> 2));
    // signature, flags, length of the header's extension
    piece.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    for event in events {
        row(&mut piece, event);
        if piece.len() >= PIECE {
            copy.send(piece.as_slice()).await?;
            piece.clear();
        }
    }
    piece.extend_from_slice(&(-1_i16).to_be_bytes());
    copy.send(piece.as_slice()).await?;
    copy.finish().await?;
    Ok(transaction.commit().await?)
}

/// Appends a row in the binary form of `COPY`: the number of fields, then each with its length.
fn row(bytes: &mut Vec<u8>, event: &Recorded) {
    fn field(bytes: &mut Vec<u8>, value: &[u8]) {
        bytes.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
        bytes.extend_from_slice(value);
    }
    bytes.extend_from_slice(&10_i16.to_be_bytes());
    field(bytes, &number(event.position.0).to_be_bytes());
    field(bytes, event.stream.as_str().as_bytes());
    field(bytes, &number(event.version.0).to_be_bytes());
    field(bytes, event.id.as_bytes());
    field(bytes, event.event_type.as_bytes());
    field(bytes, &i32::from(event.schema).to_be_bytes());
    field(bytes, event.client_id.0.as_bytes());
    field(bytes, &event.payload);
    field(bytes, &event.metadata);
    field(bytes, &(event.recorded_at.timestamp_micros() - EPOCH).to_be_bytes());
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[async_trait]
impl LogTarget for PostgresLogTarget {
    async fn write(&mut self, events: &[Recorded]) -> Result<(), WriteError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        // a connection that failed is dropped, and the server takes its transaction back
        match timeout(WRITE, commit(&mut connection, events)).await {
            Ok(Ok(())) => {
                self.connection = Some(connection);
                Ok(())
            }
            Ok(Err(CopyFailure::Refused(error))) => Err(error),
            Ok(Err(CopyFailure::Database(error))) if is_clash(&error) => {
                Err(WriteError::Refused(taken(events)))
            }
            Ok(Err(CopyFailure::Database(error))) => Err(WriteError::Unavailable(in_words(&error))),
            Err(_) => Err(WriteError::Unavailable("the server did not answer in time".to_owned())),
        }
    }

    fn log(&self) -> Arc<dyn EventStore> {
        self.reads.clone()
    }

    async fn close(self: Box<Self>) {
        self.reads.close().await;
        if let Some(connection) = self.connection {
            // the server notices by itself if this does not reach it
            let _ = timeout(CONNECT, connection.close()).await;
        }
    }
}
