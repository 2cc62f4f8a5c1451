//! The calls Append, Delete and Tombstone.

use tonic::{Status, Streaming};

use crate::log::{Expected, Written};
use crate::messages::wrong_expected_version::{Current, Expected as Wanted, OldCurrent, OldExpected};
use crate::messages::{
    AppendReq, AppendResp, CurrentRevision, DeleteReq, DeleteResp, Position, PositionOption, Success,
    WrongExpectedVersion, append_req, append_resp,
};
use crate::status;
use crate::writes::{Caller, WriteError, event, expectation, stream_name};

/// Takes the whole request, then writes it: a client that breaks off before the end writes nothing.
pub async fn append(caller: &Caller, mut request: Streaming<AppendReq>) -> Result<AppendResp, Status> {
    let first = request.message().await?.and_then(|message| message.content);
    let Some(append_req::Content::Options(options)) = first else { return Err(status::thrown()) };
    let (stream, expected) = (stream_name(options.stream)?, expectation(options.expected)?);
    let mut events = Vec::new();
    while let Some(message) = request.message().await? {
        let Some(append_req::Content::Proposed(proposed)) = message.content else {
            return Err(status::thrown());
        };
        events.push(event(proposed)?);
    }
    let outcome = match caller.append(&stream, expected, events).await {
        Ok(written) => append_resp::Outcome::Success(success(written)),
        Err(WriteError::WrongVersion { current }) => {
            append_resp::Outcome::WrongExpectedVersion(conflict(expected, current))
        }
        Err(WriteError::Deleted) => return Err(status::stream_deleted(&stream)),
        Err(WriteError::TooLarge) => {
            return Err(status::append_too_large(caller.cluster.settings.max_append_bytes));
        }
        Err(WriteError::Failed(status)) => return Err(status),
    };
    Ok(AppendResp { outcome: Some(outcome) })
}

pub fn success(written: Written) -> Success {
    Success {
        current: Some(written.revision.map_or(CurrentRevision::NoStream(()), CurrentRevision::Revision)),
        position: Some(match written.offset {
            Some(offset) => PositionOption::Position(Position::of(offset)),
            None => PositionOption::NoPosition(()),
        }),
    }
}

fn conflict(expected: Expected, current: Option<u64>) -> WrongExpectedVersion {
    let (wanted, old_wanted) = match expected {
        Expected::Revision(revision) => (Wanted::Revision(revision), Some(OldExpected::Revision(revision))),
        Expected::NoStream => (Wanted::NoStream(()), None),
        Expected::Any => (Wanted::Any(()), Some(OldExpected::Any(()))),
        Expected::StreamExists => (Wanted::StreamExists(()), Some(OldExpected::StreamExists(()))),
    };
    WrongExpectedVersion {
        old_current: Some(current.map_or(OldCurrent::NoStream(()), OldCurrent::Revision)),
        old_expected: old_wanted,
        current: Some(current.map_or(Current::NoStream(()), Current::Revision)),
        expected: Some(wanted),
    }
}

pub async fn delete(
    caller: &Caller,
    mut request: Streaming<DeleteReq>,
    tombstone: bool,
) -> Result<DeleteResp, Status> {
    let options = request.message().await?.and_then(|message| message.options).ok_or_else(status::thrown)?;
    let (stream, expected) = (stream_name(options.stream)?, expectation(options.expected)?);
    let offset = caller.delete(&stream, expected, tombstone)?;
    Ok(DeleteResp { position: Some(Position::of(offset)) })
}
