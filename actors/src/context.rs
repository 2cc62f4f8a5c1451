//! Who asks for something, and in what connection.

use domain::envelope::{Actor, Metadata};
use domain::ids::ClientId;
use domain::origin::Origin;
use domain::ports::work::Cause;
use uuid::Uuid;

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
