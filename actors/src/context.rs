//! Who asks for something, and on whose behalf.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::envelope::{Actor, Metadata};
use domain::ids::ClientId;
use domain::origin::Origin;
use domain::ports::outbox::Cause;
use uuid::Uuid;

/// Counts the appends that a request leads to, wherever its commands are carried out. The default counts nothing.
#[derive(Debug, Clone, Default)]
pub struct Appends(Option<Arc<AtomicUsize>>);

impl Appends {
    /// A new counter at zero. Clones share it.
    #[must_use]
    pub fn counted() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether anything was appended, is being appended, or may have been appended. `None` when nothing is counted.
    #[must_use]
    pub fn any(&self) -> Option<bool> {
        self.0.as_ref().map(|count| count.load(Ordering::SeqCst) > 0)
    }

    /// Counts an append that is about to be made, or another step that cannot be undone.
    pub fn begin(&self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Takes back one [`begin`](Self::begin): that append wrote nothing.
    pub(crate) fn take_back(&self) {
        if let Some(count) = &self.0 {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The circumstances of a command; they become the metadata of its events.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// The tenant. A stream of another tenant is unknown to the command.
    pub client: ClientId,
    /// Id shared by everything that follows from one cause.
    pub correlation_id: Uuid,
    /// Id of the event that the command follows from; `None` for a request from outside.
    pub causation_id: Option<Uuid>,
    pub actor: Actor,
    /// Id of the HTTP request the command came in with.
    pub request_id: Option<String>,
    /// W3C `traceparent` to continue when no span is being traced here.
    pub traceparent: Option<String>,
    /// Id of the command itself; `None` when the sender gives it none.
    pub command_id: Option<Uuid>,
    /// IP address the command was sent from. It is personal data: it is stored encrypted in the payload of the
    /// command's events, not in their metadata.
    pub origin: Origin,
    /// Counter of the appends that the command leads to.
    pub appends: Appends,
}

impl CommandContext {
    /// The context of a command that this node gives because of an event. `component` names the part of
    /// the node that acts.
    #[must_use]
    pub fn following(component: &str, client: ClientId, cause: &Cause) -> Self {
        Self {
            client,
            correlation_id: cause.correlation_id,
            causation_id: Some(cause.event_id),
            actor: Actor::System(component.to_owned()),
            request_id: None,
            traceparent: cause.traceparent.clone(),
            command_id: None,
            origin: Origin::default(),
            appends: Appends::default(),
        }
    }

    pub(crate) fn metadata(&self, node: &str, causation_id: Option<Uuid>, trace: Option<String>) -> Metadata {
        Metadata {
            correlation_id: self.correlation_id,
            causation_id,
            actor: self.actor.clone(),
            request_id: self.request_id.clone(),
            traceparent: trace.or_else(|| self.traceparent.clone()),
            command_id: self.command_id,
            node: Some(node.to_owned()),
        }
    }
}
