//! The call BatchAppend: many independent writes over one call, told apart by a correlation id.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::BoxStream;
use prost::Message;
use prost_types::Any;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use crate::append::success;
use crate::log::{Expected, NewEvent};
use crate::messages::batch_append_resp::Outcome;
use crate::messages::conflict_detail::{Current, Expected as Wanted};
use crate::messages::{
    BatchAppendReq, BatchAppendResp, BatchError, ConflictDetail, MaximumAppendSizeExceeded, StreamDeleted,
    StreamIdentifier, UuidMessage, batch_options,
};
use crate::status;
use crate::writes::{Caller, WriteError, event, expectation, stream_name};

/// How long a write may stay open before its last message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

struct Open {
    stream: String,
    expected: Expected,
    events: Vec<NewEvent>,
    until: Instant,
}

pub fn batch_append(
    caller: Caller,
    mut request: Streaming<BatchAppendReq>,
) -> BoxStream<'static, Result<BatchAppendResp, Status>> {
    let (answers, stream) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut open: HashMap<Uuid, Open> = HashMap::new();
        loop {
            let message = match request.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(status) => {
                    let _ = answers.send(Err(status)).await;
                    return;
                }
            };
            let answer = match take(&caller, &mut open, message).await {
                Ok(None) => continue,
                Ok(Some(answer)) => Ok(answer),
                Err(status) => Err(status),
            };
            let over = answer.is_err();
            if answers.send(answer).await.is_err() || over {
                return;
            }
        }
    });
    Box::pin(ReceiverStream::new(stream))
}

/// Takes a message; the answer once a write is complete. Fails when the whole call does.
async fn take(
    caller: &Caller,
    open: &mut HashMap<Uuid, Open>,
    message: BatchAppendReq,
) -> Result<Option<BatchAppendResp>, Status> {
    let correlation =
        message.correlation_id.as_ref().and_then(UuidMessage::read).ok_or_else(status::thrown)?;
    let respond = |stream: &str, outcome: Outcome| {
        Ok(Some(BatchAppendResp {
            correlation_id: message.correlation_id.clone(),
            outcome: Some(outcome),
            stream: Some(StreamIdentifier::of(stream)),
        }))
    };
    if let Some(options) = message.options {
        let (stream, expected) = (stream_name(options.stream)?, expectation(options.expected)?);
        let Some(patience) = patience(options.deadline) else {
            return respond(&stream, error(Code::DeadlineExceeded, "Timeout", &()));
        };
        let until = Instant::now() + patience;
        open.insert(correlation, Open { stream, expected, events: Vec::new(), until });
    }
    let Some(mut write) = open.remove(&correlation) else { return Err(status::thrown()) };
    for proposed in message.proposed {
        write.events.push(event(proposed)?);
    }
    if Instant::now() > write.until {
        return respond(&write.stream, error(Code::DeadlineExceeded, "Timeout", &()));
    }
    if !message.is_final {
        open.insert(correlation, write);
        return Ok(None);
    }
    let Open { stream, expected, events, .. } = write;
    let outcome = match caller.append(&stream, expected, events).await {
        Ok(written) => Outcome::Success(success(written)),
        Err(WriteError::WrongVersion { current }) => {
            error(Code::AlreadyExists, "WrongExpectedVersion", &conflict(expected, current))
        }
        Err(WriteError::Deleted) => {
            let detail = StreamDeleted { stream: Some(StreamIdentifier::of(&stream)) };
            error(Code::NotFound, "StreamDeleted", &detail)
        }
        Err(WriteError::TooLarge) => {
            let most = caller.cluster.settings.max_append_bytes;
            let detail =
                MaximumAppendSizeExceeded { max_append_size: u32::try_from(most).unwrap_or(u32::MAX) };
            error(Code::InvalidArgument, "MaximumAppendSizeExceeded", &detail)
        }
        Err(WriteError::Failed(status)) => match status.code() {
            Code::Aborted => error(Code::DeadlineExceeded, "Timeout", &()),
            Code::Unavailable => error(Code::Ok, status.message(), &()),
            Code::PermissionDenied => error(Code::PermissionDenied, "AccessDenied", &()),
            _ => return Err(status),
        },
    };
    respond(&stream, outcome)
}

/// How long a write may stay open; `None` when its time is over already.
fn patience(deadline: Option<batch_options::Deadline>) -> Option<Duration> {
    match deadline {
        Some(batch_options::Deadline::In(duration)) if duration.seconds < 0 || duration.nanos < 0 => None,
        Some(batch_options::Deadline::In(duration)) => {
            let asked = Duration::new(duration.seconds.unsigned_abs(), duration.nanos.unsigned_abs());
            (!asked.is_zero()).then(|| asked.min(WRITE_TIMEOUT))
        }
        Some(batch_options::Deadline::At(_)) | None => Some(WRITE_TIMEOUT),
    }
}

fn error(code: Code, message: &str, detail: &(impl Message + Named)) -> Outcome {
    let details = Any { type_url: detail.type_url(), value: detail.encode_to_vec() };
    Outcome::Error(BatchError { code: code as i32, message: message.to_owned(), details: Some(details) })
}

/// A message with its full name, as an `Any` needs it.
trait Named {
    const NAME: &'static str;

    fn type_url(&self) -> String {
        format!("type.googleapis.com/{}", Self::NAME)
    }
}

impl Named for () {
    const NAME: &'static str = "google.protobuf.Empty";
}

impl Named for ConflictDetail {
    const NAME: &'static str = "event_store.client.WrongExpectedVersion";
}

impl Named for StreamDeleted {
    const NAME: &'static str = "event_store.client.StreamDeleted";
}

impl Named for MaximumAppendSizeExceeded {
    const NAME: &'static str = "event_store.client.MaximumAppendSizeExceeded";
}

fn conflict(expected: Expected, current: Option<u64>) -> ConflictDetail {
    ConflictDetail {
        current: Some(current.map_or(Current::NoStream(()), Current::Revision)),
        expected: Some(match expected {
            Expected::Revision(revision) => Wanted::Revision(revision),
            Expected::Any => Wanted::Any(()),
            Expected::StreamExists => Wanted::StreamExists(()),
            Expected::NoStream => Wanted::NoStream(()),
        }),
    }
}
