//! Events of a delivery. That it is due is no event: it follows from the public event and the endpoint.

use std::collections::BTreeMap;

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use crate::envelope::{Position, Time};
use crate::ids::EndpointId;
use crate::origin::Origin;
use crate::personal::Personal;
use crate::wire::events;

/// How much of a response's body is kept, in bytes.
pub const MAX_RESPONSE_BODY: usize = 4 << 10;

events! {
    pub enum DeliveryEvent {
        Attempted(DeliveryAttempted) = "delivery.attempted" v 1,
        /// The client asked to deliver it once more.
        RedeliveryRequested(RedeliveryRequested) = "delivery.redelivery_requested" v 1,
        Cancelled(DeliveryCancelled) = "delivery.cancelled" v 1,
    }
}

/// The public event of a delivery, and its endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryOf {
    pub endpoint: EndpointId,
    /// Id of the public event.
    pub event: Uuid,
    /// Type of the public event, for example `call.ended`.
    pub event_type: String,
    /// Position of the log's event that it was made from; 0 for a test.
    pub source: Position,
    /// Id of the resource it is about.
    pub subject: Uuid,
}

/// Why an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    #[default]
    Due,
    /// The client tests its endpoint. Never retried.
    Test,
}

/// What went wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The host name has no address.
    Dns,
    /// There was no connection.
    Connect,
    /// The TLS connection could not be made.
    Tls,
    /// No answer came in time.
    Timeout,
    /// The answer's status is not 2xx.
    Status,
    /// Deliveries to the address are not allowed.
    Blocked,
    /// The answer is not HTTP, or broke off.
    Protocol,
    /// Nothing was sent: the endpoint's secrets cannot be opened.
    Secret,
}

impl ErrorClass {
    pub const ALL: [ErrorClass; 8] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Status,
        Self::Blocked,
        Self::Protocol,
        Self::Secret,
    ];

    /// Name on the wire, for example `dns`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Blocked => "blocked",
            Self::Protocol => "protocol",
            Self::Secret => "secret",
        }
    }
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    #[serde(with = "micros")]
    pub began_at: Time,
    /// Milliseconds until the head of the answer came, or the attempt was given up.
    pub latency_ms: u64,
    /// HTTP status; `None` without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong; `None` on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorClass>,
    /// The error in words; nothing of what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The IP address that was connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Some headers of the answer: `content-type`, `location`, `retry-after`, `server`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The first [`MAX_RESPONSE_BODY`] bytes of the answer's body. It may repeat what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Personal<ByteBuf>>,
}

impl Attempt {
    /// Whether the receiver accepted the delivery with a 2xx status.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.error.is_none() && self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Why a delivery is not attempted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GaveUp {
    /// The schedule has no further attempt.
    Exhausted,
    /// The endpoint answered 410, Gone.
    Gone,
    /// A test is attempted once.
    Test,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Then {
    Succeeded,
    /// Another attempt follows later.
    Again {
        /// Earliest time of that attempt.
        #[serde(with = "micros")]
        due: Time,
    },
    /// The delivery failed for good.
    Failed {
        why: GaveUp,
    },
    /// It was cancelled while the attempt was under way.
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryAttempted {
    pub of: DeliveryOf,
    /// Number of the attempt, from 1, over the delivery's whole life.
    pub number: u32,
    /// Number of the attempt, from 1, since the delivery was last requested.
    pub round: u32,
    #[serde(default)]
    pub cause: Cause,
    pub attempt: Attempt,
    pub then: Then,
    /// The body of a test's request; other bodies follow from the public event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Personal<ByteBuf>>,
    /// When the attempt ended.
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedeliveryRequested {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryCancelled {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}
