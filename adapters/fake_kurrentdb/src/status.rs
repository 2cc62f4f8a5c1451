//! Errors as the server says them: a code, a text that some clients read, and trailers.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::log::Expected;

fn with_trailers(code: Code, text: String, trailers: &[(&'static str, String)]) -> Status {
    let mut metadata = MetadataMap::new();
    for (key, value) in trailers {
        if let Ok(value) = MetadataValue::try_from(value.as_str()) {
            metadata.insert(*key, value);
        }
    }
    Status::with_metadata(code, text, metadata)
}

/// The node is no leader, and knows who is.
pub fn not_leader(host: &str, port: u16) -> Status {
    let trailers = [
        ("exception", "not-leader".to_owned()),
        ("leader-endpoint-host", host.to_owned()),
        ("leader-endpoint-port", port.to_string()),
    ];
    with_trailers(Code::NotFound, "Leader info available".to_owned(), &trailers)
}

pub fn no_leader() -> Status {
    Status::unknown("No leader info available in response")
}

pub fn not_ready() -> Status {
    Status::unavailable("Server Is Not Ready")
}

pub fn timed_out() -> Status {
    Status::aborted("Operation timed out: commit")
}

pub fn thrown() -> Status {
    Status::unknown("Exception was thrown by handler.")
}

pub fn access_denied() -> Status {
    with_trailers(
        Code::PermissionDenied,
        "Access Denied".to_owned(),
        &[("exception", "access-denied".to_owned())],
    )
}

pub fn unauthenticated() -> Status {
    Status::unauthenticated("Unauthenticated")
}

pub fn stream_deleted(stream: &str) -> Status {
    let trailers = [("exception", "stream-deleted".to_owned()), ("stream-name", stream.to_owned())];
    with_trailers(Code::FailedPrecondition, format!("Event stream '{stream}' is deleted."), &trailers)
}

pub fn missing_metadata() -> Status {
    let trailers = [
        ("exception", "missing-required-metadata-property".to_owned()),
        ("required-metadata-properties", "type,content-type".to_owned()),
    ];
    with_trailers(Code::InvalidArgument, "Required Metadata Property missing".to_owned(), &trailers)
}

pub fn append_too_large(most: usize) -> Status {
    let trailers =
        [("exception", "maximum-append-size-exceeded".to_owned()), ("maximum-append-size", most.to_string())];
    with_trailers(Code::InvalidArgument, format!("Maximum Append Size of {most} Exceeded."), &trailers)
}

pub fn delete_conflict(stream: &str, expected: Expected, actual: Option<u64>) -> Status {
    let expected = match expected {
        Expected::Revision(revision) => revision.to_string(),
        Expected::NoStream => "-1".to_owned(),
        Expected::Any => "-2".to_owned(),
        Expected::StreamExists => "-4".to_owned(),
    };
    let actual = actual.map_or_else(|| "-1".to_owned(), |actual| actual.to_string());
    let text = format!(
        "Delete failed due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, \
         Actual version: {actual}"
    );
    let trailers = [
        ("exception", "wrong-expected-version".to_owned()),
        ("stream-name", stream.to_owned()),
        ("expected-version", expected),
        ("actual-version", actual),
    ];
    with_trailers(Code::FailedPrecondition, text, &trailers)
}
