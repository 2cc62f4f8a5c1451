//! Which person a stream is about.

use super::Subject;
use crate::aggregate::Aggregate as _;
use crate::call::terms::Direction;
use crate::call::{Call, CallEvent};
use crate::conversation::ConversationEvent;
use crate::ids::{AgentId, CallId, ConversationId, CustomerId, DeliveryId, IvrSessionId};
use crate::ivr::session::SessionEvent;
use crate::memory::MemoryEvent;
use crate::number::Route;
use crate::webhook::delivery::DeliveryEvent;
use crate::wire::DomainEvent as _;

/// Names of the fields of an event that hold the two parties of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// The person at the other end.
    pub person: &'static str,
    /// The client's own number.
    pub own: &'static str,
}

/// What an event says about the person its stream is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The event names the parties of the call itself, in these fields.
    Parties(Side),
    /// The stream is about the person on that call.
    Call(CallId),
    /// The stream is about the person of that session.
    Session(IvrSessionId),
    /// The stream is about the person of that conversation.
    Conversation(ConversationId),
    /// The event holds the client's own name of the person, or metadata that does: see [`customer`].
    Customer,
    /// The event names no person.
    Nothing,
}

/// What an event says about the person its stream is about. Its personal values need not be readable.
#[must_use]
pub fn about(event_type: &str, schema: u16, payload: &[u8]) -> About {
    match event_type {
        "call.received" | "call.leg_identified" | "call.queued" => {
            match CallEvent::decode(event_type, schema, payload) {
                Ok(CallEvent::Received(received)) => sides(received.direction),
                Ok(CallEvent::LegIdentified(known)) => sides(known.direction),
                Ok(CallEvent::Queued(_)) => sides(Direction::Outbound),
                _ => About::Nothing,
            }
        }
        "ivr_session.started" => match SessionEvent::decode(event_type, schema, payload) {
            Ok(SessionEvent::Started(started)) => started.call.map_or(About::Nothing, About::Call),
            _ => About::Nothing,
        },
        "conversation.started" => match ConversationEvent::decode(event_type, schema, payload) {
            Ok(ConversationEvent::Started(started)) => match started.call {
                Some(call) => About::Call(call),
                None if started.user.is_some() || started.metadata.is_some() => About::Customer,
                None => About::Nothing,
            },
            _ => About::Nothing,
        },
        "delivery.attempted" => match DeliveryEvent::decode(event_type, schema, payload) {
            Ok(DeliveryEvent::Attempted(attempted)) => {
                match attempted.of.event_type.split_once('.').map_or("", |(category, _)| category) {
                    Call::CATEGORY => About::Call(CallId(attempted.of.subject)),
                    "ivr" | IvrSessionId::CATEGORY => About::Session(IvrSessionId(attempted.of.subject)),
                    ConversationId::CATEGORY | "function" | "error" => {
                        About::Conversation(ConversationId(attempted.of.subject))
                    }
                    _ => About::Nothing,
                }
            }
            _ => About::Nothing,
        },
        _ => About::Nothing,
    }
}

/// What an event says about the agent that leads its call or conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// The event is the first of its stream, and names the agent if there is one.
    FromTheStart(Option<AgentId>),
    /// This agent leads from now on.
    FromNow(AgentId),
    /// The event says nothing about it.
    Unsaid,
}

/// The agent that leads, as far as one event says.
#[must_use]
pub fn leads(event_type: &str, schema: u16, payload: &[u8]) -> Leads {
    match event_type {
        "call.received" | "call.queued" | "call.agent_requested" => {
            match CallEvent::decode(event_type, schema, payload) {
                Ok(CallEvent::Received(received)) => Leads::FromTheStart(match received.route {
                    Some(Route::Agent { id }) => id,
                    _ => None,
                }),
                Ok(CallEvent::Queued(queued)) => Leads::FromTheStart(queued.agent_id),
                Ok(CallEvent::AgentRequested(asked)) => Leads::FromNow(asked.agent_id),
                _ => Leads::Unsaid,
            }
        }
        "conversation.started" => match ConversationEvent::decode(event_type, schema, payload) {
            Ok(ConversationEvent::Started(started)) => {
                Leads::FromTheStart(started.agent.map(|agent| agent.id))
            }
            _ => Leads::Unsaid,
        },
        _ => Leads::Unsaid,
    }
}

/// The customer that an event about a memory names; `None` for other events.
#[must_use]
pub fn named_customer(event_type: &str, schema: u16, payload: &[u8]) -> Option<CustomerId> {
    match MemoryEvent::decode(event_type, schema, payload) {
        Ok(MemoryEvent::Recorded(recorded)) => Some(recorded.customer),
        Ok(MemoryEvent::Updated(updated)) => Some(updated.customer),
        _ => None,
    }
}

/// The fields of [`About::Customer`]; the values of both belong to the person.
pub const CUSTOMER_FIELDS: [&str; 2] = ["user", "metadata"];
/// The entry of a client's metadata that names its customer.
pub const CUSTOMER_ENTRY: &str = "customer_id";

/// The person of a chat, by the client's own name; `None` if the event holds none. Its values must be readable.
#[must_use]
pub fn customer(event_type: &str, schema: u16, payload: &[u8]) -> Option<Subject> {
    let Ok(ConversationEvent::Started(started)) = ConversationEvent::decode(event_type, schema, payload)
    else {
        return None;
    };
    let entry = || started.metadata.as_ref()?.reveal()?.get(CUSTOMER_ENTRY);
    let name = started.user.as_ref().and_then(|user| user.reveal()).or_else(entry)?;
    Some(Subject::of_customer(name))
}

/// Whether streams of this category are about a person whom their events name. All others are their own subject.
#[must_use]
pub fn is_about_somebody(category: &str) -> bool {
    matches!(
        category,
        Call::CATEGORY | IvrSessionId::CATEGORY | DeliveryId::CATEGORY | ConversationId::CATEGORY
    )
}

fn sides(direction: Direction) -> About {
    About::Parties(match direction {
        Direction::Inbound => Side { person: "from", own: "to" },
        Direction::Outbound => Side { person: "to", own: "from" },
    })
}
