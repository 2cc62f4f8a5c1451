//! A log that another one is copied into: its events keep their positions, versions, ids, bytes and times.
//!
//! It is a port of its own, so that an event store gives positions itself and never takes them from outside. Promises
//! every engine keeps, and the conformance suite proves:
//!
//! * **As it was.** What is written reads back with everything it had.
//! * **A beginning, whatever happens.** When a write fails or the process dies, the log holds a beginning of what was
//!   given to it, in order, and nothing else.
//! * **Never over something else.** What does not go on where the log ends is refused, and nothing is changed.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::event_store::EventStore;
use crate::envelope::{Position, Recorded};

/// Why events were not written, or not all of them.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// They do not go on where the log ends, or an id or a version among them is taken: the log holds something else,
    /// or something else writes it. No event beyond those that fit was written.
    #[error("{0}")]
    Refused(String),
    /// The store cannot be reached or written. A beginning of the events may be stored: its head tells, once the log
    /// is opened again.
    #[error("the target is unavailable: {0}")]
    Unavailable(String),
}

/// A log to be filled with the events of another, with the promises of this module. Nothing else may write it
/// meanwhile.
#[async_trait]
pub trait LogTarget: fmt::Debug + Send {
    /// Writes events exactly as they are, flushed before it answers. They must go on where the log ends.
    async fn write(&mut self, events: &[Recorded]) -> Result<(), WriteError>;

    /// The same log, to read what it holds.
    fn log(&self) -> Arc<dyn EventStore>;

    /// Releases the store after the last write.
    async fn close(self: Box<Self>);
}

/// Checks that `events` go on after `head`, one position after the other. Fails with [`WriteError::Refused`].
pub fn must_follow(head: Position, events: &[Recorded]) -> Result<(), WriteError> {
    for (event, due) in events.iter().zip(head.0 + 1..) {
        if event.position.0 != due {
            return Err(WriteError::Refused(format!(
                "the target ends at event {head}, and event {} does not go on there: something else writes it",
                event.position
            )));
        }
    }
    Ok(())
}
