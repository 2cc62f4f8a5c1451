//! Appends, single and batched, deletions.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Position, StreamIdentifier, UuidMessage};

#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendReq {
    #[prost(oneof = "append_req::Content", tags = "1, 2")]
    pub content: Option<append_req::Content>,
}

pub mod append_req {
    use super::{ExpectedOptions, ProposedMessage};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Content {
        #[prost(message, tag = "1")]
        Options(ExpectedOptions),
        #[prost(message, tag = "2")]
        Proposed(ProposedMessage),
    }
}

/// A stream, and what the caller expects of it: options of appends and deletions.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExpectedOptions {
    #[prost(message, optional, tag = "1")]
    pub stream: Option<StreamIdentifier>,
    #[prost(oneof = "ExpectedRevision", tags = "2, 3, 4, 5")]
    pub expected: Option<ExpectedRevision>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum ExpectedRevision {
    #[prost(uint64, tag = "2")]
    Revision(u64),
    #[prost(message, tag = "3")]
    NoStream(()),
    #[prost(message, tag = "4")]
    Any(()),
    #[prost(message, tag = "5")]
    StreamExists(()),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ProposedMessage {
    #[prost(message, optional, tag = "1")]
    pub id: Option<UuidMessage>,
    #[prost(map = "string, string", tag = "2")]
    pub metadata: HashMap<String, String>,
    #[prost(bytes = "bytes", tag = "3")]
    pub custom_metadata: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendResp {
    #[prost(oneof = "append_resp::Outcome", tags = "1, 2")]
    pub outcome: Option<append_resp::Outcome>,
}

pub mod append_resp {
    use super::{Success, WrongExpectedVersion};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Outcome {
        #[prost(message, tag = "1")]
        Success(Success),
        #[prost(message, tag = "2")]
        WrongExpectedVersion(WrongExpectedVersion),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Success {
    #[prost(oneof = "CurrentRevision", tags = "1, 2")]
    pub current: Option<CurrentRevision>,
    #[prost(oneof = "PositionOption", tags = "3, 4")]
    pub position: Option<PositionOption>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum CurrentRevision {
    #[prost(uint64, tag = "1")]
    Revision(u64),
    #[prost(message, tag = "2")]
    NoStream(()),
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum PositionOption {
    #[prost(message, tag = "3")]
    Position(Position),
    #[prost(message, tag = "4")]
    NoPosition(()),
}

/// A conflict of `Append`: each fact twice, in the fields of old clients and of new ones.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WrongExpectedVersion {
    #[prost(oneof = "wrong_expected_version::OldCurrent", tags = "1, 2")]
    pub old_current: Option<wrong_expected_version::OldCurrent>,
    #[prost(oneof = "wrong_expected_version::OldExpected", tags = "3, 4, 5")]
    pub old_expected: Option<wrong_expected_version::OldExpected>,
    #[prost(oneof = "wrong_expected_version::Current", tags = "6, 7")]
    pub current: Option<wrong_expected_version::Current>,
    #[prost(oneof = "wrong_expected_version::Expected", tags = "8, 9, 10, 11")]
    pub expected: Option<wrong_expected_version::Expected>,
}

pub mod wrong_expected_version {
    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum OldCurrent {
        #[prost(uint64, tag = "1")]
        Revision(u64),
        #[prost(message, tag = "2")]
        NoStream(()),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum OldExpected {
        #[prost(uint64, tag = "3")]
        Revision(u64),
        #[prost(message, tag = "4")]
        Any(()),
        #[prost(message, tag = "5")]
        StreamExists(()),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Current {
        #[prost(uint64, tag = "6")]
        Revision(u64),
        #[prost(message, tag = "7")]
        NoStream(()),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Expected {
        #[prost(uint64, tag = "8")]
        Revision(u64),
        #[prost(message, tag = "9")]
        Any(()),
        #[prost(message, tag = "10")]
        StreamExists(()),
        #[prost(message, tag = "11")]
        NoStream(()),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchAppendReq {
    #[prost(message, optional, tag = "1")]
    pub correlation_id: Option<UuidMessage>,
    #[prost(message, optional, tag = "2")]
    pub options: Option<BatchOptions>,
    #[prost(message, repeated, tag = "3")]
    pub proposed: Vec<ProposedMessage>,
    #[prost(bool, tag = "4")]
    pub is_final: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchOptions {
    #[prost(message, optional, tag = "1")]
    pub stream: Option<StreamIdentifier>,
    #[prost(oneof = "ExpectedRevision", tags = "2, 3, 4, 5")]
    pub expected: Option<ExpectedRevision>,
    #[prost(oneof = "batch_options::Deadline", tags = "6, 7")]
    pub deadline: Option<batch_options::Deadline>,
}

pub mod batch_options {
    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Deadline {
        #[prost(message, tag = "6")]
        At(prost_types::Timestamp),
        #[prost(message, tag = "7")]
        In(prost_types::Duration),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchAppendResp {
    #[prost(message, optional, tag = "1")]
    pub correlation_id: Option<UuidMessage>,
    #[prost(oneof = "batch_append_resp::Outcome", tags = "2, 3")]
    pub outcome: Option<batch_append_resp::Outcome>,
    #[prost(message, optional, tag = "4")]
    pub stream: Option<StreamIdentifier>,
}

pub mod batch_append_resp {
    use super::{BatchError, Success};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Outcome {
        #[prost(message, tag = "2")]
        Error(BatchError),
        #[prost(message, tag = "3")]
        Success(Success),
    }
}

/// `google.rpc.Status` with exactly one detail.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchError {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, optional, tag = "3")]
    pub details: Option<prost_types::Any>,
}

/// `event_store.client.WrongExpectedVersion`: the detail of a conflict in a batch.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConflictDetail {
    #[prost(oneof = "conflict_detail::Current", tags = "1, 2")]
    pub current: Option<conflict_detail::Current>,
    #[prost(oneof = "conflict_detail::Expected", tags = "3, 4, 5, 6")]
    pub expected: Option<conflict_detail::Expected>,
}

pub mod conflict_detail {
    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Current {
        #[prost(uint64, tag = "1")]
        Revision(u64),
        #[prost(message, tag = "2")]
        NoStream(()),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Expected {
        #[prost(uint64, tag = "3")]
        Revision(u64),
        #[prost(message, tag = "4")]
        Any(()),
        #[prost(message, tag = "5")]
        StreamExists(()),
        #[prost(message, tag = "6")]
        NoStream(()),
    }
}

/// The detail of an append that is too large in all.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MaximumAppendSizeExceeded {
    #[prost(uint32, tag = "1")]
    pub max_append_size: u32,
}

/// The detail of a batch item to a deleted stream.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamDeleted {
    #[prost(message, optional, tag = "1")]
    pub stream: Option<StreamIdentifier>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct DeleteReq {
    #[prost(message, optional, tag = "1")]
    pub options: Option<ExpectedOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct DeleteResp {
    #[prost(message, optional, tag = "1")]
    pub position: Option<Position>,
}
