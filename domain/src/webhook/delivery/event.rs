//! What happens to a delivery. That it is due is no event: it follows from the public event and the endpoint.

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
    /// A fact of a delivery.
    pub enum DeliveryEvent {
        /// It was attempted.
        Attempted(DeliveryAttempted) = "delivery.attempted" v 1,
        /// Somebody wants it once more.
        RedeliveryRequested(RedeliveryRequested) = "delivery.redelivery_requested" v 1,
        /// Somebody wants it no more.
        Cancelled(DeliveryCancelled) = "delivery.cancelled" v 1,
    }
}

/// What is delivered to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryOf {
    /// To whom.
    pub endpoint: EndpointId,
    /// The public event's id.
    pub event: Uuid,
    /// Its type.
    pub event_type: String,
    /// The position of the fact it tells of; 0 for a test.
    pub source: Position,
    /// What it is about.
    pub subject: Uuid,
}

/// Why an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It was due.
    #[default]
    Due,
    /// A client tests its endpoint. Not tried again by itself.
    Test,
}

/// What went wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The name has no address.
    Dns,
    /// No connection.
    Connect,
    /// No secure connection.
    Tls,
    /// No answer in time.
    Timeout,
    /// An answer, but none of 2xx.
    Status,
    /// The address may not be delivered to.
    Blocked,
    /// Not HTTP, or broken off.
    Protocol,
    /// Nothing was sent: the endpoint's secrets cannot be opened.
    Secret,
}

impl ErrorClass {
    /// Every one.
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

    /// Its word.
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
    /// When it began.
    #[serde(with = "micros")]
    pub began_at: Time,
    /// Until the answer's head was there, or there was none, in milliseconds.
    pub latency_ms: u64,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorClass>,
    /// The same in words; nothing of what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The address that was spoken to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Headers of the answer that matter: `content-type`, `location`, `retry-after`, `server`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The first [`MAX_RESPONSE_BODY`] bytes of the answer's body. It may repeat what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Personal<ByteBuf>>,
}

impl Attempt {
    /// Whether the receiver has it.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.error.is_none() && self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Why a delivery is not attempted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GaveUp {
    /// That was the last attempt.
    Exhausted,
    /// The endpoint answered that it is gone.
    Gone,
    /// A test is attempted once.
    Test,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Then {
    /// It is done.
    Succeeded,
    /// It is attempted again.
    Again {
        /// Not before.
        #[serde(with = "micros")]
        due: Time,
    },
    /// It failed for good.
    Failed {
        /// Why.
        why: GaveUp,
    },
    /// It was cancelled while the attempt was under way.
    Cancelled,
}

/// See [`DeliveryEvent::Attempted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryAttempted {
    /// What to whom.
    pub of: DeliveryOf,
    /// 1, 2, 3, … over the delivery's whole life.
    pub number: u32,
    /// 1, 2, 3, … since it was last asked for.
    pub round: u32,
    /// Why.
    #[serde(default)]
    pub cause: Cause,
    /// How it went.
    pub attempt: Attempt,
    /// What follows.
    pub then: Then,
    /// What was sent, of a test; of all others the public event says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Personal<ByteBuf>>,
    /// When it ended.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`DeliveryEvent::RedeliveryRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedeliveryRequested {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`DeliveryEvent::Cancelled`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryCancelled {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
