//! The part that each event store engine implements; the writer does the rest.

use async_trait::async_trait;
use domain::envelope::{Position, Recorded, StreamId, Version};
use domain::ports::event_store::{AppendError, ReadError};
use uuid::Uuid;

use super::resolve::StoreState;

/// Operations that the writer needs from an engine. Only the writer task calls them, one at a time.
#[async_trait]
pub(super) trait Backend: Send + 'static {
    /// Engine name in logs and metrics.
    const ENGINE: &'static str;

    /// Reads the committed versions of these streams and the places of these event ids.
    async fn look_up(&mut self, streams: &[StreamId], ids: &[Uuid]) -> Result<StoreState, Fault>;

    /// Writes the rows as one transaction, flushed to disk, numbered from the head of the log on.
    /// Returns the first position.
    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<Position, Fault>;

    /// Releases the store after the last commit.
    async fn close(self);
}

/// An event about to be written, and the version it gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) event: &'a Recorded,
    pub(super) version: Version,
}

#[derive(Debug)]
pub(super) enum Fault {
    /// A version, an id or a position is already taken; nothing was written.
    Clash,
    /// The store cannot be reached or written; nothing was written.
    NotWritten(String),
    /// The connection broke during the commit: the rows may be written or not.
    Unknown(String),
}

/// The error for appends to an engine that was opened for reading only.
pub(super) fn read_only() -> AppendError {
    AppendError::Unavailable("it is open for reading only".to_owned())
}

/// Converts a database error into the port's read error.
pub(super) fn unreadable(error: &sqlx::Error) -> ReadError {
    ReadError::Unavailable(crate::database::in_words(error))
}
