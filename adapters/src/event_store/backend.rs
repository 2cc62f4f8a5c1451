//! What an engine brings: the writer does the rest.

use async_trait::async_trait;
use domain::envelope::{Position, Recorded, StreamId, Version};
use domain::ports::event_store::{AppendError, ReadError};
use uuid::Uuid;

use super::judge::Standing;

/// What the writer needs of an engine. Only the writer task calls it, one call at a time.
#[async_trait]
pub(super) trait Backend: Send + 'static {
    /// Name for logs and metrics.
    const ENGINE: &'static str;

    /// What is committed now about these streams and ids.
    async fn look_up(&mut self, streams: &[StreamId], ids: &[Uuid]) -> Result<Standing, Fault>;

    /// Writes the rows as one transaction, flushed to disk, numbered from the head of the log on. Returns the
    /// first position.
    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<Position, Fault>;

    /// Lets go of the store after the last commit.
    async fn close(self);
}

/// An event about to be written, and the version it gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) event: &'a Recorded,
    pub(super) version: Version,
}

/// Why an engine did not do what it was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// A version, an id or a position is already taken. Nothing was written.
    Clash,
    /// The store cannot be reached or written. Nothing was written.
    NotWritten(String),
    /// The store broke off: written or not.
    Unknown(String),
}

/// The answer of an engine that was opened for reading only.
pub(super) fn read_only() -> AppendError {
    AppendError::Unavailable("it is open for reading only".to_owned())
}

/// A database's refusal as the port tells it.
pub(super) fn unreadable(error: &sqlx::Error) -> ReadError {
    ReadError::Unavailable(crate::database::in_words(error))
}
