//! What an error of the client means.

use std::fmt;

use eventstore::Error;
use tonic::Code;

/// Why a call to the database has no answer.
#[derive(Debug, Clone)]
pub(super) enum CallError {
    /// The client's own error.
    Client(Error),
    /// No answer came in time.
    Late,
    /// The client itself failed.
    Broken,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(Error::AccessDenied | Error::Grpc { code: Code::PermissionDenied, .. }) => {
                f.write_str("KurrentDB denies access; check user and rights")
            }
            Self::Client(error) => write!(f, "KurrentDB: {error}"),
            Self::Late => f.write_str("KurrentDB did not answer in time"),
            Self::Broken => f.write_str("the KurrentDB client broke off"),
        }
    }
}

/// What became of an append that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The stream is not at the expected revision, nor do these events stand there.
    Conflict,
    /// It was not written, and may be tried again.
    NotWritten,
    /// It was not written, and trying again is of no use.
    Refused,
    /// The stream was deleted for ever.
    Deleted,
    /// It may be written or not.
    Unknown,
}

impl CallError {
    /// What the error says about an append at an exact revision.
    pub(super) fn fate(&self) -> Fate {
        let Self::Client(error) = self else { return Fate::Unknown };
        match error {
            // an append over the shared call has no other word for it
            Error::WrongExpectedVersion { .. } | Error::Grpc { code: Code::AlreadyExists, .. } => {
                Fate::Conflict
            }
            Error::Grpc { code: Code::NotFound, message } if message == "StreamDeleted" => Fate::Deleted,
            // a node that is not the leader and does not say who is answers "not found"; the others come before
            // anything is sent
            Error::NotLeaderException(_)
            | Error::ResourceNotFound
            | Error::GrpcConnectionError(_)
            | Error::ConnectionClosed
            | Error::UnsupportedFeature => Fate::NotWritten,
            Error::AccessDenied => Fate::Refused,
            Error::ResourceDeleted => Fate::Deleted,
            Error::Grpc {
                code:
                    Code::InvalidArgument
                    | Code::FailedPrecondition
                    | Code::ResourceExhausted
                    | Code::PermissionDenied,
                ..
            } => Fate::Refused,
            _ => Fate::Unknown,
        }
    }
}
