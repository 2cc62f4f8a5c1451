//! Public events: what clients can subscribe to.

use bytes::Bytes;
use uuid::Uuid;

use crate::envelope::{Position, Time};
use crate::ids::{AgentId, ClientId};

/// A kind of public event. The meaning of a name never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicType {
    /// Name, for example `call.ended`.
    pub name: &'static str,
    /// When it is sent, in a sentence.
    pub description: &'static str,
    /// Whether this version sends it. Endpoints may ask for the others already.
    pub available: bool,
}

const fn sent(name: &'static str, description: &'static str) -> PublicType {
    PublicType { name, description, available: true }
}

/// Every public event there is.
pub const PUBLIC_TYPES: &[PublicType] = &[
    sent("call.started", "A call came in, or was asked for."),
    sent("call.ringing", "The called side is being alerted."),
    sent("call.answered", "The call was answered."),
    sent("call.recording_ready", "The recording of the call can be fetched."),
    sent("call.ended", "The call is over."),
    sent("call.failed", "The call never connected, or was broken by a fault."),
    sent("ivr.completed", "A caller's way through the menus is over."),
    sent(
        "conversation.updated",
        "Answers were given in a conversation: told once a second at most, the last one always.",
    ),
    sent("conversation.ended", "A conversation is over."),
    sent("agent.deployed", "A version of an agent went live."),
    sent("agent.updated", "An agent was changed."),
    sent("function.executed", "An agent used a tool, whatever came of it."),
    sent("customer.memory_added", "Something is remembered of a customer that was not known."),
    sent("kb.document_ready", "The passages of a document are found."),
    sent("kb.document_failed", "The content of a document cannot be read or embedded."),
    sent(
        "error.occurred",
        "Something failed that you should know of: no model answered, the carrier did not do what it was asked, a \
         recording was lost, a transfer failed, your system did not answer a menu, or an endpoint was disabled.",
    ),
    sent("credits.purchased", "Credit was bought and paid."),
    sent(
        "credits.low",
        "The credit fell to the limit at which you want to be told: once for each time it does.",
    ),
    sent(
        "credits.exhausted",
        "The credit of a client that pays in advance is used up: once for each time it is.",
    ),
    sent(
        "spend.limit_reached",
        "A call or a transfer was refused by a spend limit: told once an hour at most for each limit.",
    ),
];

/// Families of public events, including those that get events only in later versions.
const FAMILIES: &[&str] = &[
    "call",
    "ivr",
    "conversation",
    "agent",
    "function",
    "customer",
    "kb",
    "error",
    "credits",
    "spend",
    "campaign",
];

/// The event a test delivers. No endpoint asks for it.
pub const TEST_TYPE: &str = "webhook.test";

/// The kind of public event with this name.
#[must_use]
pub fn public_type(name: &str) -> Option<&'static PublicType> {
    PUBLIC_TYPES.iter().find(|kind| kind.name == name)
}

/// Everything an endpoint can ask for: each event, each family as `call.*`, and `*`.
#[must_use]
pub fn patterns() -> Vec<String> {
    let names = PUBLIC_TYPES.iter().map(|kind| kind.name.to_owned());
    let families = FAMILIES.iter().map(|family| format!("{family}.*"));
    std::iter::once("*".to_owned()).chain(families).chain(names).collect()
}

/// Whether there is a family of this name.
pub(super) fn is_family(name: &str) -> bool {
    FAMILIES.contains(&name)
}

/// A public event, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicEvent {
    /// Id of the log's event it was made from; the `webhook-id` of every delivery.
    pub id: Uuid,
    pub client: ClientId,
    /// Position of that event in the log.
    pub position: Position,
    /// One of [`PUBLIC_TYPES`], or [`TEST_TYPE`].
    pub event_type: String,
    /// Id of the resource it is about, from the name of its stream.
    pub subject: Uuid,
    /// The agent it has to do with, if any.
    pub agent: Option<AgentId>,
    /// When that event was recorded.
    pub at: Time,
    /// The JSON that is sent: the same bytes on every attempt.
    pub body: Bytes,
}
