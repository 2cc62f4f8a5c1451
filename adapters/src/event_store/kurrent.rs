//! The log in KurrentDB (EventStoreDB), for an existing cluster and several nodes at once.
//!
//! Events are stored as KurrentDB's own: a stream for each of ours, under a prefix, so that other programs may use the
//! same database. Positions are counted from `$all` (`numbering`), by each node for itself and with the same result,
//! and kept with the events in a replica that can be made anew at any time (`replica`) and serves all reads. Appends are made at exact revisions with ids that
//! stay the same (`append`); an append answers once this node's own subscription has numbered it.

mod address;
mod append;
mod batch;
mod codec;
mod connection;
mod copy;
mod injected;
mod log;
mod numbering;
mod outcome;
mod read;
mod replica;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::{NewEvent, Position, Recorded, StreamId, Version};
use domain::ports::event_store::{AppendError, Appended, Direction, EventStore, Expected, ReadError};
use tokio::task::JoinSet;

pub use self::address::KurrentAddress;
pub(super) use self::address::SCHEMES;
use self::batch::Writing;
use self::connection::Connection;
pub use self::copy::KurrentLogTarget;
use self::injected::Injected;
use self::log::{Log, unreadable};
use self::numbering::{Numbering, is};
use self::replica::Replica;
use super::OpenError;
use super::backend::read_only;
use super::tail::Tail;
use super::writer::{Writer, WriterLimits};
use crate::database::Part;
use crate::trace::{database, within};

/// Engine name in logs and metrics.
const ENGINE: &str = "kurrentdb";
/// How long opening waits for progress of the subscription.
const PATIENCE: Duration = Duration::from_secs(15);
/// A reader polls after this long even when nothing was numbered.
const PAUSE: Duration = Duration::from_secs(1);

/// The log in the streams of a KurrentDB database that begin with a prefix.
#[derive(Debug)]
pub struct KurrentEventStore {
    log: Arc<Log>,
    writer: Option<Writer>,
    /// Background tasks; dropping the store aborts them.
    _tasks: JoinSet<()>,
}

impl KurrentEventStore {
    /// Opens the log for writing. Any number of nodes may do so. Returns once all events are numbered, which takes
    /// long only when the replica must be made. Fails when no server can be reached, it is too old, it denies access, or
    /// the streams cannot be this log's.
    pub async fn open_with(address: &KurrentAddress, limits: WriterLimits) -> Result<Self, OpenError> {
        Self::start(address, Some((limits, Injected::default()))).await
    }

    /// Opens a log that fails as `faults` says. Fails as [`KurrentEventStore::open_with`].
    #[cfg(feature = "testing")]
    pub async fn open_with_faults(
        address: &KurrentAddress,
        faults: conformance::event_store::Faults,
    ) -> Result<Self, OpenError> {
        Self::start(address, Some((WriterLimits::default(), Injected::new(faults)))).await
    }

    /// Opens the log for reading only, beside nodes that write it. Appends are refused as `Unavailable`. A file with the
    /// replica is used if it fits, but none is created. Fails as [`KurrentEventStore::open_with`].
    pub async fn open_read_only(address: &KurrentAddress) -> Result<Self, OpenError> {
        let mut address = address.clone();
        if let Some(path) = &address.replica
            && !Replica::fits(path, &address.prefix).await
        {
            address.replica = None;
        }
        Self::start(&address, None).await
    }

    async fn start(
        address: &KurrentAddress,
        writing: Option<(WriterLimits, Injected)>,
    ) -> Result<Self, OpenError> {
        address.check_files()?;
        let failed = |why: String| OpenError::Target(format!("cannot use the log at {address}: {why}"));
        let connection = Arc::new(Connection::new(address.clone())?);
        connection.check_server().await?;
        let mut replica = Replica::open(address.replica.as_deref(), &address.prefix).await?;
        let mut newest = replica.newest().await?;
        if let Some(entry) = newest {
            let found =
                connection.record_at(entry.commit).await.map_err(|error| failed(error.to_string()))?;
            if !found.is_some_and(|found| is(&found, &entry)) {
                if writing.is_some() {
                    tracing::warn!("the replica is not of this KurrentDB database and is made anew");
                    replica.clear(&address.prefix).await?;
                } else {
                    // it may be a running node's
                    replica = Replica::open(None, &address.prefix).await?;
                }
                newest = None;
            }
        }
        let replica = Arc::new(replica);
        let head = newest.map_or(Position::START, |newest| newest.position);
        let tail = Arc::new(Tail::new(head));
        let numbering = Arc::new(Numbering::new(&address.prefix, newest, tail.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(numbering.clone().run(connection.clone(), replica.clone()));
        // says at once when access is denied
        connection.newest().await.map_err(|error| failed(error.to_string()))?;
        numbering.caught_up(PATIENCE).await.map_err(failed)?;
        let log = Arc::new(Log::new(connection, replica, numbering, tail));
        tasks.spawn(log.clone().answer());
        let writer = writing.map(|(limits, injected)| {
            let log = log.clone();
            Writer::with_task(ENGINE, limits, |batches| Writing { log, injected }.run(batches))
        });
        Ok(Self { log, writer, _tasks: tasks })
    }

    /// Rows as an auditor reads them, from the database; a row that is no event is reported and skipped.
    pub(super) async fn rows(
        &self,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Result<Recorded, super::Unreadable>>, ReadError> {
        read::rows(&self.log, after, upto, limit).await
    }

    /// Asks the leader, which proves that there is one. Nothing is written: it would stay for ever.
    pub(super) async fn probe(&self) -> Result<(), ReadError> {
        self.log.numbering.check()?;
        self.log.connection.newest().await.map(drop).map_err(|error| unreadable(&error))
    }

    /// Writes the queued appends, then lets the replica go.
    pub async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.log.replica.close().await;
    }
}

#[async_trait]
impl EventStore for KurrentEventStore {
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
        self.log.numbering.check()?;
        let span = database(ENGINE, Part::Log.word(), "READ events");
        within(span, read::read_stream(&self.log, stream, from, direction, limit)).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        self.log.numbering.check()?;
        if after >= self.log.tail.head() {
            // only the leader can say that there are no more events, unless one comes meanwhile
            tokio::select! {
                asked = self.log.catch_up() => asked?,
                () = self.log.tail.wait_past(after, PATIENCE) => {}
            }
        }
        if after >= self.log.tail.head() {
            return Ok(Vec::new());
        }
        match self.log.tail.read(after, limit) {
            Some(page) => Ok(page),
            None => read::read_all(&self.log, after, limit).await,
        }
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.log.catch_up().await?;
        Ok(self.log.tail.head())
    }

    async fn wait_past(&self, after: Position) {
        self.log.tail.wait_past(after, PAUSE).await;
    }

    fn engine(&self) -> &'static str {
        ENGINE
    }
}
