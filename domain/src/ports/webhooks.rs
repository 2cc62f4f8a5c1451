//! Telling clients: what is told of facts, and how it gets to them.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::event_store::ReadError;
use crate::envelope::{Position, Recorded, Time};
use crate::webhook::delivery::Attempt;
use crate::webhook::public::PublicEvent;
use crate::wire::DecodeError;

/// Why it cannot be said what is told of facts.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A fact cannot be read.
    #[error("event {position} cannot be read")]
    Event {
        /// Which.
        position: Position,
        /// Why.
        #[source]
        error: DecodeError,
    },
    /// What is told of it cannot be written.
    #[error("what is told of event {position} cannot be written: {reason}")]
    Body {
        /// Which.
        position: Position,
        /// Why.
        reason: String,
    },
}

/// Turns facts into public events. The same facts always give the same bytes.
#[async_trait]
pub trait PublicEvents: fmt::Debug + Send + Sync {
    /// What is told of these facts, in their order. They are read in the order of the log; what a fact does not say
    /// by itself is looked up there.
    ///
    /// # Errors
    /// See [`PublishError`].
    async fn of(&self, facts: &[Recorded]) -> Result<Vec<PublicEvent>, PublishError>;

    /// The types of facts whose personal data is told, or kept of deliveries; `None` for all.
    fn personal(&self) -> Option<&'static [&'static str]> {
        None
    }
}

/// A request to an endpoint: a POST.
#[derive(Clone)]
pub struct WebhookRequest {
    /// Where to.
    pub url: String,
    /// Names in lower case, and values; `webhook-…` and the client's own.
    pub headers: Vec<(String, String)>,
    /// What is sent: JSON.
    pub body: Bytes,
    /// Now.
    pub now: Time,
}

impl fmt::Debug for WebhookRequest {
    // headers and body hold credentials and personal data
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRequest").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Sends to endpoints.
///
/// An address that may not be delivered to is [`Blocked`](crate::webhook::delivery::ErrorClass::Blocked), judged
/// by the address that is really connected to. A redirect is an answer like any other: nothing follows it. The
/// whole takes bounded time and memory, whatever the receiver does.
#[async_trait]
pub trait WebhookSender: fmt::Debug + Send + Sync {
    /// Makes one attempt. There is always an outcome.
    async fn send(&self, request: &WebhookRequest) -> Attempt;
}
