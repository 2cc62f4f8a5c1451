//! Writing on a node: checks, the log, and the faults that tests order.

use std::sync::Arc;

use bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use crate::cluster::{Cluster, now};
use crate::faults::AppendFault;
use crate::log::{Expected, NewEvent, Refused, Written};
use crate::messages::{ExpectedRevision, ProposedMessage, StreamIdentifier};
use crate::server::Connection;
use crate::status;

/// Why a write has no result.
#[derive(Debug)]
pub enum WriteError {
    WrongVersion { current: Option<u64> },
    Deleted,
    TooLarge,
    Failed(Status),
}

/// A call on one connection of one node.
#[derive(Debug, Clone)]
pub struct Caller {
    pub cluster: Arc<Cluster>,
    pub node: usize,
    pub connection: Arc<Connection>,
}

impl Caller {
    /// Writes events, unless a fault is due.
    pub async fn append(
        &self,
        stream: &str,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Written, WriteError> {
        let size = |event: &NewEvent| event.data.len() + event.metadata.len() + 2 * event.event_type.len();
        if events.iter().map(size).sum::<usize>() > self.cluster.settings.max_append_bytes {
            return Err(WriteError::TooLarge);
        }
        let cluster = &self.cluster;
        let timed_out = Err(WriteError::Failed(status::timed_out()));
        match cluster.faults.take_append() {
            None => self.write(stream, expected, &events),
            Some(AppendFault::NotReady) => Err(WriteError::Failed(status::not_ready())),
            Some(AppendFault::AccessDenied) => Err(WriteError::Failed(status::access_denied())),
            Some(AppendFault::LeaderMoves) => {
                cluster.move_leader();
                Err(WriteError::Failed(cluster.not_leader()))
            }
            Some(AppendFault::LeaderMovesAfterCommit) => {
                let _ = self.write(stream, expected, &events);
                cluster.move_leader();
                self.connection.reset().await
            }
            Some(AppendFault::ResetBeforeCommit) => self.connection.reset().await,
            Some(AppendFault::ResetAfterCommit) => {
                let _ = self.write(stream, expected, &events);
                self.connection.reset().await
            }
            Some(AppendFault::TimeoutNotWritten) => timed_out,
            Some(AppendFault::TimeoutWritten) => {
                let _ = self.write(stream, expected, &events);
                timed_out
            }
            Some(AppendFault::TimeoutWrittenLater) => {
                let mut late = cluster.faults.late_commits();
                late.mark_unchanged();
                let (caller, stream) = (self.clone(), stream.to_owned());
                tokio::spawn(async move {
                    if late.changed().await.is_ok() {
                        let _ = caller.write(&stream, expected, &events);
                    }
                });
                timed_out
            }
            Some(AppendFault::SilentAfterCommit) => {
                let _ = self.write(stream, expected, &events);
                std::future::pending().await
            }
        }
    }

    fn write(&self, stream: &str, expected: Expected, events: &[NewEvent]) -> Result<Written, WriteError> {
        let written = self.cluster.log.write().append(stream, expected, events, now());
        self.cluster.tell();
        written.map_err(|refused| match refused {
            Refused::WrongVersion(current) => WriteError::WrongVersion { current },
            Refused::Deleted => WriteError::Deleted,
        })
    }

    /// Deletes a stream; the offset of the record that says so.
    pub fn delete(&self, stream: &str, expected: Expected, tombstone: bool) -> Result<u64, Status> {
        let deleted = self.cluster.log.write().delete(stream, expected, tombstone, now());
        self.cluster.tell();
        deleted.map_err(|refused| match refused {
            Refused::WrongVersion(current) => status::delete_conflict(stream, expected, current),
            Refused::Deleted => status::stream_deleted(stream),
        })
    }
}

/// The name in a stream identifier. Fails when it is missing, empty or no UTF-8.
pub fn stream_name(stream: Option<StreamIdentifier>) -> Result<String, Status> {
    let name = stream.ok_or_else(status::thrown)?.stream_name;
    let name = String::from_utf8(name.to_vec()).map_err(|_| status::thrown())?;
    if name.is_empty() || name == "$$" { Err(status::thrown()) } else { Ok(name) }
}

pub fn expectation(expected: Option<ExpectedRevision>) -> Result<Expected, Status> {
    Ok(match expected.ok_or_else(status::thrown)? {
        ExpectedRevision::Revision(revision) => Expected::Revision(revision),
        ExpectedRevision::NoStream(()) => Expected::NoStream,
        ExpectedRevision::Any(()) => Expected::Any,
        ExpectedRevision::StreamExists(()) => Expected::StreamExists,
    })
}

/// A proposed event. Fails when a part is missing that the server insists on.
pub fn event(proposed: ProposedMessage) -> Result<NewEvent, Status> {
    let id =
        proposed.id.and_then(|id| id.read()).filter(|id| *id != Uuid::nil()).ok_or_else(status::thrown)?;
    let mut metadata = proposed.metadata;
    let (event_type, content) = match (metadata.remove("type"), metadata.remove("content-type")) {
        (Some(event_type), Some(content)) => (event_type, content),
        _ => return Err(status::missing_metadata()),
    };
    if event_type.is_empty() {
        return Err(status::thrown());
    }
    let (data, metadata): (Bytes, Bytes) = (proposed.data, proposed.custom_metadata);
    Ok(NewEvent { id, event_type, is_json: content == "application/json", data, metadata })
}
