//! Which events are published, and their public names.

use domain::aggregate::Aggregate as _;
use domain::call::CallEvent;
use domain::call::terms::Status;
use domain::conversation::ConversationEvent;
use domain::envelope::Recorded;
use domain::ids::{AgentId, CallId, ConversationId, DocumentId, EndpointId, MemoryId};
use domain::ivr::session::{IvrSession, SessionEvent};
use domain::webhook::endpoint::EndpointEvent;
use domain::wire::{DecodeError, DomainEvent as _};
use serde::Serialize;
use serde_json::Value;

use super::endpoints::{EndpointRow, Endpoints};
use super::errors::ErrorView;
use super::occurrences::FunctionView;
use crate::agents::{AgentRow, Agents};
use crate::calls::{CallRow, Calls};
use crate::conversations::{ConversationRow, Conversations};
use crate::ivr_sessions::{IvrSessions, SessionRow};
use crate::knowledge::{KnowledgeDocumentRow, KnowledgeDocuments};
use crate::memories::{Memories, MemoryRow};
use crate::view::{Shown, View};

/// Public name of failures.
pub(super) const ERROR: &str = "error.occurred";

/// What is published of an event.
#[derive(Debug)]
pub(super) enum Body {
    /// The resource, as it is at the event.
    Resource,
    /// A body of its own.
    This(Value),
    /// The event is not published.
    Nothing,
}

fn body_of<T: Serialize>(view: Option<T>) -> Body {
    // plain structs always serialise
    view.and_then(|view| serde_json::to_value(view).ok()).map_or(Body::Nothing, Body::This)
}

/// A view whose resources are published to clients.
pub(super) trait Published: View<Row: Shown> {
    /// Category of the view's streams, and the public name of the kind of resource.
    const CATEGORY: &'static str;
    /// Resources cached between their events: at a kilobyte or two each, some tens of megabytes at most.
    const REMEMBERED: usize;

    /// Whether events of this type are published.
    fn is_published(event_type: &str) -> bool;

    /// Public name of the event `fact`, after which the resource is as in `row`; `None` when it is not published.
    fn name(fact: &Recorded, row: &Self::Row) -> Option<&'static str>;

    /// Id of the resource, as clients see it.
    fn subject(row: &Self::Row) -> String;

    /// What is published in place of the resource. Fails when the event cannot be read.
    fn body(_: &Recorded, _: &Self::Row) -> Result<Body, DecodeError> {
        Ok(Body::Resource)
    }

    /// The agent that the resource belongs to; `None` without one.
    fn agent(row: &Self::Row) -> Option<AgentId>;
}

impl Published for Calls {
    const CATEGORY: &'static str = CallId::CATEGORY;
    const REMEMBERED: usize = 20_000;

    fn is_published(event_type: &str) -> bool {
        matches!(
            event_type,
            "call.received"
                | "call.queued"
                | "call.ringing"
                | "call.answered"
                | "call.recording_saved"
                | "call.ended"
        ) || is_failure_of_call(event_type)
    }

    fn name(fact: &Recorded, row: &CallRow) -> Option<&'static str> {
        Some(match &*fact.event_type {
            "call.received" | "call.queued" => "call.started",
            "call.ringing" => "call.ringing",
            "call.answered" => "call.answered",
            "call.recording_saved" => "call.recording_ready",
            "call.ended" if row.view.status == Status::Failed => "call.failed",
            "call.ended" => "call.ended",
            failure if is_failure_of_call(failure) => ERROR,
            _ => return None,
        })
    }

    fn subject(row: &CallRow) -> String {
        row.view.id.to_string()
    }

    fn body(fact: &Recorded, row: &CallRow) -> Result<Body, DecodeError> {
        if !is_failure_of_call(&fact.event_type) {
            return Ok(Body::Resource);
        }
        let event = CallEvent::decode(&fact.event_type, fact.schema, &fact.payload)?;
        Ok(body_of(ErrorView::of_call(row.view.id, row.view.agent_id, &event)))
    }

    fn agent(row: &CallRow) -> Option<AgentId> {
        row.view.agent_id
    }
}

impl Published for IvrSessions {
    const CATEGORY: &'static str = IvrSession::CATEGORY;
    const REMEMBERED: usize = 10_000;

    fn is_published(event_type: &str) -> bool {
        matches!(event_type, "ivr_session.webhook_answered" | "ivr_session.ended")
    }

    fn name(fact: &Recorded, _: &SessionRow) -> Option<&'static str> {
        match &*fact.event_type {
            "ivr_session.webhook_answered" => Some(ERROR),
            "ivr_session.ended" => Some("ivr.completed"),
            _ => None,
        }
    }

    fn subject(row: &SessionRow) -> String {
        row.view.id.to_string()
    }

    fn body(fact: &Recorded, row: &SessionRow) -> Result<Body, DecodeError> {
        if fact.event_type != "ivr_session.webhook_answered" {
            return Ok(Body::Resource);
        }
        let event = SessionEvent::decode(&fact.event_type, fact.schema, &fact.payload)?;
        Ok(body_of(ErrorView::of_session(row.view.id, row.view.call_id, &event)))
    }

    fn agent(_: &SessionRow) -> Option<AgentId> {
        None
    }
}

impl Published for Agents {
    const CATEGORY: &'static str = AgentId::CATEGORY;
    const REMEMBERED: usize = 5_000;

    fn is_published(event_type: &str) -> bool {
        matches!(event_type, "agent.updated" | "agent.deployed")
    }

    fn name(fact: &Recorded, _: &AgentRow) -> Option<&'static str> {
        match &*fact.event_type {
            "agent.updated" => Some("agent.updated"),
            "agent.deployed" => Some("agent.deployed"),
            _ => None,
        }
    }

    fn subject(row: &AgentRow) -> String {
        row.view.id.to_string()
    }

    fn agent(row: &AgentRow) -> Option<AgentId> {
        Some(row.view.id)
    }
}

impl Published for Conversations {
    const CATEGORY: &'static str = ConversationId::CATEGORY;
    const REMEMBERED: usize = 20_000;

    fn is_published(event_type: &str) -> bool {
        matches!(
            event_type,
            "conversation.turn_completed"
                | "conversation.updates_told"
                | "conversation.turn_failed"
                | "conversation.function_executed"
                | "conversation.ended"
        )
    }

    fn name(fact: &Recorded, _: &ConversationRow) -> Option<&'static str> {
        match &*fact.event_type {
            "conversation.turn_completed" if is_kept_back(fact) => None,
            "conversation.turn_completed" | "conversation.updates_told" => Some("conversation.updated"),
            "conversation.turn_failed" => Some(ERROR),
            "conversation.function_executed" => Some("function.executed"),
            "conversation.ended" => Some("conversation.ended"),
            _ => None,
        }
    }

    fn subject(row: &ConversationRow) -> String {
        row.view.id.to_string()
    }

    fn body(fact: &Recorded, row: &ConversationRow) -> Result<Body, DecodeError> {
        if !matches!(&*fact.event_type, "conversation.turn_failed" | "conversation.function_executed") {
            return Ok(Body::Resource);
        }
        let (id, agent) = (row.view.id, row.view.agent_id);
        Ok(match ConversationEvent::decode(&fact.event_type, fact.schema, &fact.payload)? {
            ConversationEvent::FunctionExecuted(fact) => body_of(Some(FunctionView::of(id, agent, fact))),
            ConversationEvent::TurnFailed(fact) => body_of(Some(ErrorView::of_turn(id, agent, &fact))),
            _ => Body::Resource,
        })
    }

    fn agent(row: &ConversationRow) -> Option<AgentId> {
        row.view.agent_id
    }
}

impl Published for Endpoints {
    const CATEGORY: &'static str = EndpointId::CATEGORY;
    const REMEMBERED: usize = 5_000;

    fn is_published(event_type: &str) -> bool {
        event_type == "webhook.disabled"
    }

    fn name(fact: &Recorded, _: &EndpointRow) -> Option<&'static str> {
        Self::is_published(&fact.event_type).then_some(ERROR)
    }

    fn subject(row: &EndpointRow) -> String {
        row.view.id.to_string()
    }

    fn body(fact: &Recorded, row: &EndpointRow) -> Result<Body, DecodeError> {
        let event = EndpointEvent::decode(&fact.event_type, fact.schema, &fact.payload)?;
        Ok(body_of(ErrorView::of_endpoint(row.view.id, &event)))
    }

    fn agent(_: &EndpointRow) -> Option<AgentId> {
        None
    }
}

impl Published for KnowledgeDocuments {
    const CATEGORY: &'static str = DocumentId::CATEGORY;
    const REMEMBERED: usize = 1_000;

    fn is_published(event_type: &str) -> bool {
        matches!(event_type, "kb_document.ready" | "kb_document.failed")
    }

    fn name(fact: &Recorded, _: &KnowledgeDocumentRow) -> Option<&'static str> {
        match &*fact.event_type {
            "kb_document.ready" => Some("kb.document_ready"),
            "kb_document.failed" => Some("kb.document_failed"),
            _ => None,
        }
    }

    fn subject(row: &KnowledgeDocumentRow) -> String {
        row.view.id.to_string()
    }

    fn agent(_: &KnowledgeDocumentRow) -> Option<AgentId> {
        None
    }
}

impl Published for Memories {
    const CATEGORY: &'static str = MemoryId::CATEGORY;
    const REMEMBERED: usize = 1_000;

    fn is_published(event_type: &str) -> bool {
        event_type == "memory.recorded"
    }

    fn name(fact: &Recorded, _: &MemoryRow) -> Option<&'static str> {
        Self::is_published(&fact.event_type).then_some("customer.memory_added")
    }

    fn subject(row: &MemoryRow) -> String {
        row.view.id.to_string()
    }

    fn agent(_: &MemoryRow) -> Option<AgentId> {
        None
    }
}

fn is_failure_of_call(event_type: &str) -> bool {
    matches!(event_type, "call.command_failed" | "call.recording_failed" | "call.transfer_failed")
}

/// Whether the event of an answer is held back, to be published with those that follow it.
fn is_kept_back(fact: &Recorded) -> bool {
    let fact = ConversationEvent::decode(&fact.event_type, fact.schema, &fact.payload);
    matches!(fact, Ok(ConversationEvent::TurnCompleted(completed)) if completed.tell_at.is_some())
}
