//! A log in KurrentDB that another one is copied into.
//!
//! Positions are counted from `$all`, so events that are appended one after the other, each after the answer to the one
//! before, get the positions they had. Neighbours of one stream go together. What is written has the same id and revision
//! whenever it is written again, so that an append whose outcome nobody learned is no second event.

use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{Position, Recorded, Version};
use domain::ports::event_store::{EventStore, MAX_APPEND_EVENTS, ReadError};
use domain::ports::log_target::{LogTarget, WriteError, must_follow};

use super::append::{Done, append_exactly};
use super::batch::{NUMBERED, TOGETHER};
use super::injected::Injected;
use super::{KurrentAddress, KurrentEventStore};
use crate::event_store::OpenError;
use crate::event_store::tail::weight;

/// The log in the streams of a KurrentDB database that begin with a prefix.
#[derive(Debug)]
pub struct KurrentLogTarget(Arc<KurrentEventStore>);

impl KurrentLogTarget {
    /// Opens the log. Fails as [`KurrentEventStore::open_with`].
    pub async fn open(address: &KurrentAddress) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(KurrentEventStore::open_read_only(address).await?)))
    }

    /// Appends neighbours of one stream. Returns their place in the database's log.
    async fn append(&self, events: &[&Recorded]) -> Result<u64, WriteError> {
        let [first, ..] = events else { return Ok(0) };
        for (event, due) in events.iter().zip(first.version.0.max(1)..) {
            if event.version.0 != due {
                return Err(WriteError::Refused(format!(
                    "event {} is number {} of its stream, where {due} is due: the source is damaged",
                    event.position, event.version
                )));
            }
        }
        let before = Version(first.version.0 - 1);
        match append_exactly(&self.0.log.connection, &Injected::default(), None, before, events).await {
            Done::Written { commit } => Ok(commit),
            Done::Clash => Err(WriteError::Refused(format!(
                "event {} cannot be number {} of its stream: the target holds something else there, or something else \
                 writes it",
                first.position, first.version
            ))),
            Done::NotWritten(why) | Done::Unknown(why) => Err(WriteError::Unavailable(why)),
            Done::Deleted => Err(WriteError::Refused(format!(
                "the stream of event {} was deleted in KurrentDB; copy under another streamPrefix",
                first.position
            ))),
        }
    }
}

fn unreadable(error: impl Into<ReadError>) -> WriteError {
    let error: ReadError = error.into();
    match error {
        ReadError::Unavailable(why) => WriteError::Unavailable(why),
        error => WriteError::Refused(error.to_string()),
    }
}

/// The events in pieces that can be appended at once: neighbours of one stream, not too many or too large.
fn pieces(events: &[Recorded]) -> Vec<Vec<&Recorded>> {
    let mut pieces: Vec<Vec<&Recorded>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let size = weight(event);
        match pieces.last_mut() {
            Some(piece)
                if piece.first().is_some_and(|first| first.stream == event.stream)
                    && piece.len() < MAX_APPEND_EVENTS
                    && bytes + size <= TOGETHER =>
            {
                bytes += size;
                piece.push(event);
            }
            _ => {
                bytes = size;
                pieces.push(vec![event]);
            }
        }
    }
    pieces
}

#[async_trait]
impl LogTarget for KurrentLogTarget {
    async fn write(&mut self, events: &[Recorded]) -> Result<(), WriteError> {
        let log = &self.0.log;
        // also what somebody else may have written
        log.catch_up().await.map_err(unreadable)?;
        let head = log.numbering.newest().map_or(Position::START, |newest| newest.position);
        must_follow(head, events)?;
        let Some(last) = events.last() else { return Ok(()) };
        let mut commit = 0;
        for piece in pieces(events) {
            commit = self.append(&piece).await?;
        }
        log.numbering.reached(commit, NUMBERED).await.map_err(unreadable)?;
        match log.numbering.position_of(commit) {
            Some(position) if position == last.position => Ok(()),
            Some(position) => Err(WriteError::Refused(format!(
                "event {} got position {position} in KurrentDB: something else writes streams with this prefix; copy \
                 under another streamPrefix",
                last.position
            ))),
            None => Err(WriteError::Unavailable("KurrentDB stored events and does not show them".to_owned())),
        }
    }

    fn log(&self) -> Arc<dyn EventStore> {
        self.0.clone()
    }

    async fn close(self: Box<Self>) {
        self.0.close().await;
    }
}
