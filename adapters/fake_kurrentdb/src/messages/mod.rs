//! The protocol's messages, written by hand after its `.proto` files, so that no `protoc` is needed to build.
//!
//! Messages of the same shape share one type here; on the wire they are the same.

mod append;
mod cluster;
mod read;

use bytes::Bytes;
use uuid::Uuid;

pub use append::*;
pub use cluster::*;
pub use read::*;

#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamIdentifier {
    #[prost(bytes = "bytes", tag = "3")]
    pub stream_name: Bytes,
}

impl StreamIdentifier {
    pub fn of(name: &str) -> Self {
        Self { stream_name: Bytes::copy_from_slice(name.as_bytes()) }
    }
}

/// Place of a record in the log. Both numbers are equal for every event that this server writes.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Position {
    #[prost(uint64, tag = "1")]
    pub commit: u64,
    #[prost(uint64, tag = "2")]
    pub prepare: u64,
}

impl Position {
    pub fn of(offset: u64) -> Self {
        Self { commit: offset, prepare: offset }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct UuidMessage {
    #[prost(oneof = "uuid_message::Value", tags = "1, 2")]
    pub value: Option<uuid_message::Value>,
}

pub mod uuid_message {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        #[prost(message, tag = "1")]
        Structured(Structured),
        #[prost(string, tag = "2")]
        Text(String),
    }

    /// The two halves of the big-endian 128 bits.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Structured {
        #[prost(int64, tag = "1")]
        pub most_significant: i64,
        #[prost(int64, tag = "2")]
        pub least_significant: i64,
    }
}

impl UuidMessage {
    /// In the form that the request asked for.
    pub fn of(id: Uuid, structured: bool) -> Self {
        let (high, low) = id.as_u64_pair();
        let value = if structured {
            uuid_message::Value::Structured(uuid_message::Structured {
                most_significant: high as i64,
                least_significant: low as i64,
            })
        } else {
            uuid_message::Value::Text(id.hyphenated().to_string())
        };
        Self { value: Some(value) }
    }

    /// `None` when it holds no UUID.
    pub fn read(&self) -> Option<Uuid> {
        match self.value.as_ref()? {
            uuid_message::Value::Structured(halves) => {
                Some(Uuid::from_u64_pair(halves.most_significant as u64, halves.least_significant as u64))
            }
            uuid_message::Value::Text(text) => text.parse().ok(),
        }
    }
}
