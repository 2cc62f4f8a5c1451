//! Who asks for something, and in what connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::envelope::{Actor, Metadata};
use domain::ids::ClientId;
use domain::origin::Origin;
use domain::ports::work::Cause;
use uuid::Uuid;

/// Counts what a request led to in the log, wherever its commands are carried out. The default counts nothing.
#[derive(Debug, Clone, Default)]
pub struct Appends(Option<Arc<AtomicUsize>>);

impl Appends {
    /// A count of its own, at nothing. Clones count together.
    #[must_use]
    pub fn counted() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether something was appended, or is being appended, or may have been. `None` when nobody counts.
    #[must_use]
    pub fn any(&self) -> Option<bool> {
        self.0.as_ref().map(|count| count.load(Ordering::SeqCst) > 0)
    }

    /// An append is about to be made, or something else that nobody can take back.
    pub fn begin(&self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The append wrote nothing.
    pub(crate) fn take_back(&self) {
        if let Some(count) = &self.0 {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The circumstances of a command; they become the metadata of its events.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// The tenant. A stream of another tenant's is unknown to the command.
    pub client: ClientId,
    /// Shared by everything that follows from one cause.
    pub correlation_id: Uuid,
    /// The event the command follows from.
    pub causation_id: Option<Uuid>,
    /// Who asks.
    pub actor: Actor,
    /// The HTTP request it came in with.
    pub request_id: Option<String>,
    /// The trace to continue when no span is being traced here.
    pub traceparent: Option<String>,
    /// The command's own id.
    pub command_id: Option<Uuid>,
    /// From where it was asked for. It is personal: it stands in the payload of the command's events, sealed like all that is
    /// personal, and not in their metadata.
    pub origin: Origin,
    /// Where it is counted that the command reached the log.
    pub appends: Appends,
}

impl CommandContext {
    /// A command the node itself gives because of an event.
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

    /// The metadata of an event.
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
