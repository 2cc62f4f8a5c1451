//! The log in PostgreSQL, for a server and for several nodes at once.
//!
//! Appends of all nodes commit one after the other: each batch increments the single row of `log_head` and keeps it
//! locked until its commit, so positions are dense and equal to commit order, and a reader that saw one has seen
//! all before it. A node's memory of stream versions may be old; the uniqueness of `(stream, version)` and of `id`
//! catches that, and the batch is decided again on fresh data. No other lock is taken, and none outlives its
//! transaction, so a transaction pooler may stand in between: one that supports prepared statements, such as
//! PgBouncer from version 1.21.

mod copy;
mod follow;
mod read;
mod write;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::{NewEvent, Position, Recorded, StreamId, Version};
use domain::ports::event_store::{AppendError, Appended, Direction, EventStore, Expected, ReadError};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinSet;

pub use self::copy::PostgresLogTarget;
use self::write::Postgres;
use super::OpenError;
use super::backend::{Backend as _, read_only, unreadable};
use super::tail::{SharedTail, Tail};
use super::writer::{Writer, WriterLimits};
use crate::database::{Part, SecretUrl, migrate_postgres, probe_postgres};
use crate::trace::{database, within};

/// Reading connections, besides the one that writes and the one that listens.
const READERS: u32 = 8;
/// Time limit for connecting to the server.
const CONNECT: Duration = Duration::from_secs(2);
/// Time limit for one statement.
const STATEMENT: Duration = Duration::from_secs(10);
/// A connection that was idle for longer is tested before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// A reader polls after this long even without a notification.
const PAUSE: Duration = Duration::from_secs(1);
/// The oldest server version that tests cover, as `server_version_num`.
const OLDEST_SERVER: i32 = 130_000;

/// The log in the table `events` of a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresEventStore {
    reads: PgPool,
    tail: SharedTail,
    writer: Option<Writer>,
    /// Background tasks; dropping the store aborts them.
    _tasks: JoinSet<()>,
}

impl PostgresEventStore {
    /// Opens the log for writing and brings its schema up to date. Any number of nodes may do so. The writer and
    /// the follower of other nodes run on the current tokio runtime. Fails when the server cannot be reached, is
    /// too old, or its schema is newer than this build.
    pub async fn open(url: &SecretUrl) -> Result<Self, OpenError> {
        Self::open_with(url, WriterLimits::default()).await
    }

    /// Opens the log with the operator's limits. Fails as [`PostgresEventStore::open`].
    pub async fn open_with(url: &SecretUrl, limits: WriterLimits) -> Result<Self, OpenError> {
        Self::start(url, |backend, tail| Writer::start(backend, tail, limits)).await
    }

    /// Opens a log that fails as `faults` says. Fails as [`PostgresEventStore::open`].
    #[cfg(feature = "testing")]
    pub async fn open_with_faults(
        url: &SecretUrl,
        faults: conformance::event_store::Faults,
    ) -> Result<Self, OpenError> {
        let start = |backend, tail| {
            let backend = super::fault_injecting::FaultInjectingStore::new(backend, faults);
            Writer::start(backend, tail, WriterLimits::default())
        };
        Self::start(url, start).await
    }

    async fn start(
        url: &SecretUrl,
        writer: impl FnOnce(Postgres, SharedTail) -> Writer,
    ) -> Result<Self, OpenError> {
        let options = options(url)?;
        migrate_postgres(options.clone(), Part::Log).await?;
        let mut store = Self::reader(options.clone()).await?;
        store.writer = Some(writer(Postgres::new(options), Arc::clone(&store.tail)));
        store._tasks.spawn(follow::tell(store.reads.clone(), Arc::clone(&store.tail)));
        Ok(store)
    }

    /// Opens an existing log for reading only. Appends are refused as `Unavailable`. Fails when the server cannot
    /// be reached, is too old, or holds no log.
    pub async fn open_read_only(url: &SecretUrl) -> Result<Self, OpenError> {
        Self::reader(options(url)?).await
    }

    async fn reader(options: PgConnectOptions) -> Result<Self, OpenError> {
        let reads = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(CONNECT)
            .test_before_acquire(false)
            .before_acquire(|connection, connection_is| {
                Box::pin(async move {
                    if connection_is.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options.clone())
            .await?;
        check_server(&reads).await?;
        let tail = Arc::new(Tail::new(read::head(&reads).await?));
        let mut tasks = JoinSet::new();
        tasks.spawn(follow::hear(options, reads.clone(), Arc::clone(&tail)));
        Ok(Self { reads, tail, writer: None, _tasks: tasks })
    }

    /// Rows as an auditor reads them; a row that is no event is reported and skipped.
    pub(super) async fn rows(
        &self,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Result<Recorded, super::Unreadable>>, ReadError> {
        read::rows(&self.reads, after, upto, limit).await
    }

    pub(super) async fn probe(&self) -> Result<(), sqlx::Error> {
        probe_postgres(&self.reads).await
    }

    /// Writes the queued appends, then closes the connections.
    pub async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.reads.close().await;
    }
}

fn options(url: &SecretUrl) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(url.options()?.application_name("voxledger").disable_statement_logging())
}

async fn check_server(reads: &PgPool) -> Result<(), OpenError> {
    let ask = "SELECT current_setting('server_version_num')::int, current_setting('fsync')::bool";
    let (version, flushes): (i32, bool) = sqlx::query_as(ask).fetch_one(reads).await?;
    if version < OLDEST_SERVER {
        let text = format!("PostgreSQL {} is too old for the event log; use 13 or newer", version / 10_000);
        return Err(OpenError::Version(text));
    }
    if !flushes {
        tracing::warn!("PostgreSQL runs with fsync=off: a power cut can lose acknowledged events");
    }
    Ok(())
}

/// Awaits a read for as long as the server may take over a statement.
async fn timely<T>(read: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
    let late = |_| Err(ReadError::Unavailable("the server did not answer in time".to_owned()));
    tokio::time::timeout(STATEMENT, read).await.unwrap_or_else(late)
}

#[async_trait]
impl EventStore for PostgresEventStore {
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        match &self.writer {
            Some(writer) => writer.append(stream, expected, events).await,
            None => Err(read_only()),
        }
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let span = database("postgresql", Part::Log.word(), "SELECT FROM events");
        within(span, timely(read::read_stream(&self.reads, stream, from, direction, limit))).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        match self.tail.read(after, limit) {
            Some(page) if page.len() == limit || self.tail.ends_at(page.last()) => Ok(page),
            // memory receives a batch a moment after its commit: only the server can say that there are no more
            // events
            _ => timely(read::read_all(&self.reads, after, limit)).await,
        }
    }

    async fn head(&self) -> Result<Position, ReadError> {
        let head =
            timely(async { read::head(&self.reads).await.map_err(|error| unreadable(&error)) }).await?;
        // whoever knows of this position must find everything up to there, also what memory has not received yet
        self.tail.saw(head);
        Ok(head)
    }

    async fn wait_past(&self, after: Position) {
        self.tail.wait_past(after, PAUSE).await;
    }

    fn engine(&self) -> &'static str {
        Postgres::ENGINE
    }
}
