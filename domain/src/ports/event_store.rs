//! The append-only log.
//!
//! Promises every engine keeps, and the conformance suite proves:
//!
//! * **Acknowledged is durable.** `append` returns `Ok` only after the events are committed and flushed.
//! * **One writer a stream.** The expected version is checked atomically with the append; it is the only fence.
//! * **Dense order.** Positions are 1, 2, 3 … without holes and equal to commit order: who has read up to
//!   position `n` can never later find an event at or below `n`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::envelope::{EventRef, NewEvent, Position, Recorded, StreamId, Version};

/// The most events one append may carry.
pub const MAX_APPEND_EVENTS: usize = 512;

/// The most bytes of payload one append may carry in all (8 MiB).
pub const MAX_APPEND_BYTES: usize = 8 << 20;

/// A page of a read ends early once its payloads and metadata reach this many bytes (16 MiB), so that no
/// reader's memory depends on what is stored.
pub const MAX_PAGE_BYTES: usize = 16 << 20;

/// What the caller believes about the stream it appends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The stream does not exist yet.
    NoStream,
    /// The stream's newest event has this version. `Exact(Version::NONE)` equals `NoStream`.
    Exact(Version),
    /// Append after whatever is there.
    Any,
}

impl Expected {
    /// Whether a stream at `current` satisfies the expectation.
    #[must_use]
    pub fn allows(self, current: Version) -> bool {
        match self {
            Expected::Any => true,
            Expected::NoStream => current == Version::NONE,
            Expected::Exact(version) => current == version,
        }
    }
}

/// Where an append was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Position of the first event of the append.
    pub first_position: Position,
    /// Position of the last event of the append.
    pub last_position: Position,
    /// Version of the stream after the append.
    pub version: Version,
    /// `true` when these very events were already stored and nothing was written now.
    pub repeated: bool,
}

/// Why an append did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The expectation does not hold, or only a part of the events is already stored. Nothing was written.
    #[error("stream {stream} is at version {current}, not as expected ({expected:?})")]
    Conflict {
        stream: StreamId,
        expected: Expected,
        /// The version the stream really has.
        current: Version,
    },
    /// The append is empty, too large, repeats an id inside itself, or one of its events is
    /// malformed. Nothing was written.
    #[error("the append was refused: {0}")]
    Refused(&'static str),
    /// The queue is full, or other nodes keep writing the same streams first. Nothing was written; try again
    /// after the given time.
    #[error("the event store is overloaded, try again in {retry_after:?}")]
    Overloaded {
        /// A sensible pause before the next try.
        retry_after: Duration,
    },
    /// The store cannot be reached or written (disk full, connection lost). Nothing was written.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
    /// The connection broke during the commit: the events may or may not be stored.
    /// Appending the same events again with the same expectation gives the answer.
    #[error("the outcome of the append is unknown: {0}")]
    Unknown(String),
}

/// Why a read did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be reached.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be an event: the log is damaged.
    #[error("the log is damaged at position {position}: {detail}")]
    Damaged {
        position: Position,
        /// How it was noticed.
        detail: String,
    },
    /// The log ends before what was already read of it: an older copy stands in its place.
    #[error(
        "the log ends at {head}, before position {after} that was read already: an older copy stands in its place"
    )]
    Rewound {
        /// The last position that was read.
        after: Position,
        /// Where the log ends now.
        head: Position,
    },
}

/// Whether an event that was read before is still part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The same event stands at its position.
    Same,
    /// The log ends before its position.
    Beyond {
        /// Position where the log ends.
        head: Position,
    },
    /// Another event stands at its position.
    Other,
}

/// Checks whether `seen` is part of the log. Fails when the log cannot be read.
pub async fn history_of(log: &dyn EventStore, seen: EventRef) -> Result<History, ReadError> {
    let Some(before) = seen.position.0.checked_sub(1) else { return Ok(History::Same) };
    Ok(match log.read_all(Position(before), 1).await?.first() {
        None => History::Beyond { head: log.head().await? },
        Some(event) if event.position != seen.position => History::Other,
        Some(event) if seen.id.is_none_or(|id| id == event.id) => History::Same,
        Some(_) => History::Other,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The oldest event comes first.
    Forwards,
    /// The newest event comes first.
    Backwards,
}

/// The append-only log, with the promises of this module.
#[async_trait]
pub trait EventStore: fmt::Debug + Send + Sync {
    /// Appends all of `events` to `stream`, or none.
    ///
    /// Idempotent by event id: when all of them already stand in the stream, next to each other and in this
    /// order, and (for an expectation other than `Any`) right after the expected version, the answer is that
    /// of the first time with `repeated` set, however much was appended since. When only some are stored, or elsewhere,
    /// it is a [`AppendError::Conflict`].
    ///
    /// Appends to different streams that are made at the same time may be stored in any order (KurrentDB).
    ///
    /// Dropping the future does not take the append back: it may still be written.
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError>;

    /// Up to `limit` events of one stream. Forwards: those after version `from`; backwards: those before
    /// `from`, or from the end when `from` is `Version::NONE`. An unknown stream is empty.
    ///
    /// A page may be shorter than `limit` (see [`MAX_PAGE_BYTES`]); only an empty one means there are no more.
    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError>;

    /// Up to `limit` events of the log, oldest first, after position `after`.
    ///
    /// A page may be shorter than `limit` (see [`MAX_PAGE_BYTES`]); only an empty one means there are no more.
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError>;

    /// Position of the newest committed event; [`Position::START`] on an empty log.
    async fn head(&self) -> Result<Position, ReadError>;

    /// Returns once the head is past `after`, or after a pause of the engine's choosing (at most one second):
    /// a hint to read again, never a fact.
    async fn wait_past(&self, after: Position);

    /// The same log for a reader who needs personal data only of events of these types: that of others may be left
    /// sealed and read as erased. `None`: the engine gains nothing by it, use this log.
    fn for_reader_of(&self, types: &'static [&'static str]) -> Option<Arc<dyn EventStore>> {
        let _ = types;
        None
    }

    /// Name of the engine, for logs and metrics: `memory`, `sqlite`, `postgres`, `kurrentdb`.
    fn engine(&self) -> &'static str;
}

/// Follows the log from a position: first what is stored, then what is appended, without gap or repeat.
#[derive(Debug)]
pub struct Subscription {
    store: Arc<dyn EventStore>,
    after: EventRef,
    page: usize,
    waited: bool,
}

impl Subscription {
    /// Starts after `after`, delivering at most `page` events at a time.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, after: Position, page: usize) -> Self {
        Self { store, after: after.into(), page, waited: false }
    }

    /// The last position delivered.
    #[must_use]
    pub fn position(&self) -> Position {
        self.after.position
    }

    /// The last event delivered; without an id before the first one.
    #[must_use]
    pub fn reached(&self) -> EventRef {
        self.after
    }

    /// The next events, at least one; waits while there are none. Cancel-safe.
    ///
    /// Fails as reads do. The subscription stays where it was, so calling again resumes it. A hole in the
    /// positions is [`ReadError::Damaged`], a log that ends before what was delivered is [`ReadError::Rewound`].
    pub async fn next(&mut self) -> Result<Vec<Recorded>, ReadError> {
        loop {
            let after = self.after.position;
            let events = self.store.read_all(after, self.page).await?;
            let Some(last) = events.last() else {
                // only after two empty pages in a row: a reader that keeps up finds one after
                // each page with events
                if std::mem::replace(&mut self.waited, true) {
                    let head = self.store.head().await?;
                    if head < after {
                        return Err(ReadError::Rewound { after, head });
                    }
                }
                self.store.wait_past(after).await;
                continue;
            };
            if last.position.0 - after.0 != events.len() as u64 {
                let detail = format!("{} events up to {}", events.len(), last.position);
                return Err(ReadError::Damaged { position: after.plus(1), detail });
            }
            (self.after, self.waited) = (last.into(), false);
            return Ok(events);
        }
    }
}

/// A row of the log that cannot be an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub position: Position,
    /// What is wrong with the row, without personal data.
    pub why: String,
}

/// The log as it lies on the disk, to check whether it was changed there. A node may hold events it wrote in
/// memory for a while, where nobody can change them; this reads past that copy.
#[async_trait]
pub trait LogTable: fmt::Debug + Send + Sync {
    /// Up to `limit` rows after `after` and up to `upto`. Holes stay holes, and a row that cannot be an event is
    /// reported and skipped. Fails when the table itself cannot be read.
    async fn rows(
        &self,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Result<Recorded, Unreadable>>, ReadError>;
}
