//! Messages of the call `Streams/Read`, by which streams and `$all` are read and subscribed to.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Position, StreamIdentifier, UuidMessage};

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadReq {
    #[prost(message, optional, tag = "1")]
    pub options: Option<ReadOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadOptions {
    #[prost(oneof = "read_options::Source", tags = "1, 2")]
    pub source: Option<read_options::Source>,
    /// 0 forwards, 1 backwards.
    #[prost(int32, tag = "3")]
    pub direction: i32,
    #[prost(bool, tag = "4")]
    pub resolve_links: bool,
    #[prost(oneof = "read_options::Count", tags = "5, 6")]
    pub count: Option<read_options::Count>,
    #[prost(oneof = "read_options::Filtering", tags = "7, 8")]
    pub filtering: Option<read_options::Filtering>,
    #[prost(message, optional, tag = "9")]
    pub uuids: Option<UuidOption>,
    #[prost(message, optional, tag = "10")]
    pub control: Option<ControlOption>,
}

pub mod read_options {
    use super::{AllOptions, FilterOptions, StreamOptions};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Source {
        #[prost(message, tag = "1")]
        Stream(StreamOptions),
        #[prost(message, tag = "2")]
        All(AllOptions),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Count {
        #[prost(uint64, tag = "5")]
        Count(u64),
        #[prost(message, tag = "6")]
        Subscription(()),
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Filtering {
        #[prost(message, tag = "7")]
        Filter(FilterOptions),
        #[prost(message, tag = "8")]
        NoFilter(()),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamOptions {
    #[prost(message, optional, tag = "1")]
    pub stream: Option<StreamIdentifier>,
    #[prost(oneof = "stream_options::From", tags = "2, 3, 4")]
    pub from: Option<stream_options::From>,
}

pub mod stream_options {
    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum From {
        #[prost(uint64, tag = "2")]
        Revision(u64),
        #[prost(message, tag = "3")]
        Start(()),
        #[prost(message, tag = "4")]
        End(()),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct AllOptions {
    #[prost(oneof = "all_options::From", tags = "1, 2, 3")]
    pub from: Option<all_options::From>,
}

pub mod all_options {
    use super::Position;

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum From {
        #[prost(message, tag = "1")]
        Position(Position),
        #[prost(message, tag = "2")]
        Start(()),
        #[prost(message, tag = "3")]
        End(()),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FilterOptions {
    #[prost(oneof = "filter_options::Of", tags = "1, 2")]
    pub of: Option<filter_options::Of>,
    #[prost(oneof = "filter_options::Window", tags = "3, 4")]
    pub window: Option<filter_options::Window>,
    #[prost(uint32, tag = "5")]
    pub checkpoint_multiplier: u32,
}

pub mod filter_options {
    use super::Expression;

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Of {
        #[prost(message, tag = "1")]
        Stream(Expression),
        #[prost(message, tag = "2")]
        EventType(Expression),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Window {
        #[prost(uint32, tag = "3")]
        Max(u32),
        #[prost(message, tag = "4")]
        Count(()),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Expression {
    #[prost(string, tag = "1")]
    pub regex: String,
    #[prost(string, repeated, tag = "2")]
    pub prefix: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct UuidOption {
    #[prost(oneof = "uuid_option::Form", tags = "1, 2")]
    pub form: Option<uuid_option::Form>,
}

pub mod uuid_option {
    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Form {
        #[prost(message, tag = "1")]
        Structured(()),
        #[prost(message, tag = "2")]
        Text(()),
    }
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct ControlOption {
    #[prost(uint32, tag = "1")]
    pub compatibility: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadResp {
    #[prost(oneof = "read_resp::Content", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub content: Option<read_resp::Content>,
}

pub mod read_resp {
    use super::{CaughtUp, Checkpoint, Confirmation, Position, ReadEvent, StreamNotFound};

    #[expect(clippy::large_enum_variant, reason = "most are the largest")]
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Content {
        #[prost(message, tag = "1")]
        Event(ReadEvent),
        #[prost(message, tag = "2")]
        Confirmation(Confirmation),
        #[prost(message, tag = "3")]
        Checkpoint(Checkpoint),
        #[prost(message, tag = "4")]
        StreamNotFound(StreamNotFound),
        #[prost(uint64, tag = "5")]
        FirstStreamPosition(u64),
        #[prost(uint64, tag = "6")]
        LastStreamPosition(u64),
        #[prost(message, tag = "7")]
        LastAllStreamPosition(Position),
        #[prost(message, tag = "8")]
        CaughtUp(CaughtUp),
        #[prost(message, tag = "9")]
        FellBehind(CaughtUp),
    }
}

impl From<read_resp::Content> for ReadResp {
    fn from(content: read_resp::Content) -> Self {
        Self { content: Some(content) }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadEvent {
    #[prost(message, optional, tag = "1")]
    pub event: Option<RecordedEvent>,
    #[prost(message, optional, tag = "2")]
    pub link: Option<RecordedEvent>,
    #[prost(oneof = "read_event::Commit", tags = "3, 4")]
    pub commit: Option<read_event::Commit>,
}

pub mod read_event {
    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Commit {
        #[prost(uint64, tag = "3")]
        Position(u64),
        #[prost(message, tag = "4")]
        NoPosition(()),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RecordedEvent {
    #[prost(message, optional, tag = "1")]
    pub id: Option<UuidMessage>,
    #[prost(message, optional, tag = "2")]
    pub stream: Option<StreamIdentifier>,
    #[prost(uint64, tag = "3")]
    pub revision: u64,
    #[prost(uint64, tag = "4")]
    pub prepare_position: u64,
    #[prost(uint64, tag = "5")]
    pub commit_position: u64,
    #[prost(map = "string, string", tag = "6")]
    pub metadata: HashMap<String, String>,
    #[prost(bytes = "bytes", tag = "7")]
    pub custom_metadata: Bytes,
    #[prost(bytes = "bytes", tag = "8")]
    pub data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Confirmation {
    #[prost(string, tag = "1")]
    pub subscription_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Checkpoint {
    #[prost(uint64, tag = "1")]
    pub commit: u64,
    #[prost(uint64, tag = "2")]
    pub prepare: u64,
    #[prost(message, optional, tag = "3")]
    pub timestamp: Option<prost_types::Timestamp>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamNotFound {
    #[prost(message, optional, tag = "1")]
    pub stream: Option<StreamIdentifier>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CaughtUp {
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<prost_types::Timestamp>,
    #[prost(int64, optional, tag = "2")]
    pub stream_revision: Option<i64>,
    #[prost(message, optional, tag = "3")]
    pub position: Option<Position>,
}
