//! Webhooks to clients: which public events follow from events of the log, and how they are sent.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::event_store::ReadError;
use crate::envelope::{Position, Recorded, Time};
use crate::webhook::delivery::Attempt;
use crate::webhook::public::PublicEvent;
use crate::wire::DecodeError;

/// Why public events cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event of the log cannot be decoded.
    #[error("event {position} cannot be read")]
    Event {
        position: Position,
        #[source]
        error: DecodeError,
    },
    /// The body of the public event cannot be written.
    #[error("what is told of event {position} cannot be written: {reason}")]
    Body { position: Position, reason: String },
}

/// Turns events of the log into public events. The same events always give the same bytes.
#[async_trait]
pub trait PublicEvents: fmt::Debug + Send + Sync {
    /// The public events that follow from these events, in their order. Pass events in the order of the log; what
    /// an event does not say by itself is looked up there.
    async fn of(&self, facts: &[Recorded]) -> Result<Vec<PublicEvent>, PublishError>;

    /// Types of events whose personal data goes into public events or into deliveries; `None` for all.
    fn personal(&self) -> Option<&'static [&'static str]> {
        None
    }
}

/// A POST request to an endpoint.
#[derive(Clone)]
pub struct WebhookRequest {
    pub url: String,
    /// Names in lower case and values: `webhook-…` and the client's own.
    pub headers: Vec<(String, String)>,
    /// The JSON that is sent.
    pub body: Bytes,
    pub now: Time,
}

impl fmt::Debug for WebhookRequest {
    // headers and body hold credentials and personal data
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRequest").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Sends requests to endpoints.
///
/// An address that may not be delivered to is [`Blocked`](crate::webhook::delivery::ErrorClass::Blocked), judged
/// by the address it really connects to. A redirect is an answer like any other and is not followed. The whole
/// takes bounded time and memory, whatever the receiver does.
#[async_trait]
pub trait WebhookSender: fmt::Debug + Send + Sync {
    /// Makes one attempt. There is always an outcome.
    async fn send(&self, request: &WebhookRequest) -> Attempt;
}
