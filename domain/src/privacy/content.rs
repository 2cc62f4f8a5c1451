//! How much of a call is kept once it is over.

use serde::{Deserialize, Serialize};

use crate::conversation::{ConversationEvent, MessageKind};
use crate::wire::DomainEvent as _;

/// How much of a call's content is kept. Content that is not kept is readable to the code that steers the call,
/// stands in no view, and is readable to nobody once the call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentLevel {
    #[default]
    Everything,
    /// Keeps what was said. Drops who spoke, keys that were pressed, the client's metadata, recordings (a voice
    /// tells who speaks) and carriers' webhooks in full.
    EverythingExceptPii,
    /// Keeps that there was a call: who, when, how long, how it ended, what it cost, and the client's metadata.
    /// Drops all that was said, keyed or recorded.
    BasicAttributesOnly,
}

impl ContentLevel {
    pub const ALL: [ContentLevel; 3] =
        [Self::Everything, Self::EverythingExceptPii, Self::BasicAttributesOnly];

    /// Name on the wire, for example `basic_attributes_only`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::EverythingExceptPii => "everything_except_pii",
            Self::BasicAttributesOnly => "basic_attributes_only",
        }
    }

    /// Whether the personal value in `field` of an event is kept. Events that are not about a call keep
    /// everything; the caller knows whether a conversation takes place on a call.
    #[must_use]
    pub fn keeps(self, event_type: &str, field: &str) -> bool {
        let (category, _) = event_type.split_once('.').unwrap_or_default();
        let content = matches!(category, "call" | "ivr_session" | "conversation");
        if self == Self::Everything || !content || field == "ip" {
            return true;
        }
        match field {
            // what a client's own systems know of the person
            "content" if event_type == "conversation.function_executed" => false,
            "arguments" | "opaque" => false,
            "content" | "summary" => self == Self::EverythingExceptPii,
            "user" => self == Self::BasicAttributesOnly,
            // neither of the other levels keeps the person's voice, keys, and the carrier's report
            // of them in full
            "url" | "raw" | "digit" | "digits" | "input" | "value" => false,
            "text" => self == Self::EverythingExceptPii,
            "from" | "to" | "target" | "metadata" | "external_id" => self == Self::BasicAttributesOnly,
            _ => false,
        }
    }
}

/// Whether the event is a message of a conversation that stands for pressed keys (DTMF).
#[must_use]
pub fn is_keyed(event_type: &str, schema: u16, payload: &[u8]) -> bool {
    let added = || ConversationEvent::decode(event_type, schema, payload);
    event_type == "conversation.message_added"
        && matches!(added(), Ok(ConversationEvent::MessageAdded(said)) if said.kind == MessageKind::Dtmf)
}

impl std::str::FromStr for ContentLevel {
    type Err = crate::call::terms::UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|level| level.as_str() == word).ok_or(crate::call::terms::UnknownWord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_keeps_what_it_says() {
        use ContentLevel::{BasicAttributesOnly, Everything, EverythingExceptPii};
        let kept = |event_type: &str, field: &str| {
            [Everything, EverythingExceptPii, BasicAttributesOnly].map(|level| level.keeps(event_type, field))
        };
        assert_eq!(kept("call.line_transcribed", "text"), [true, true, false]);
        assert_eq!(kept("call.received", "from"), [true, false, true]);
        assert_eq!(kept("call.queued", "metadata"), [true, false, true]);
        assert_eq!(kept("call.dtmf_received", "digit"), [true, false, false]);
        assert_eq!(kept("call.recording_saved", "url"), [true, false, false]);
        assert_eq!(kept("call.carrier_event_received", "raw"), [true, false, false]);
        assert_eq!(kept("ivr_session.collected", "value"), [true, false, false]);
        assert_eq!(kept("conversation.turn_completed", "content"), [true, true, false]);
        assert_eq!(kept("conversation.summarised", "summary"), [true, true, false]);
        assert_eq!(kept("conversation.function_executed", "content"), [true, false, false]);
        assert_eq!(kept("conversation.tools_called", "arguments"), [true, false, false]);
        assert_eq!(kept("conversation.started", "metadata"), [true, false, true]);
        assert_eq!(kept("user.created", "email"), [true, true, true]);
        assert_eq!(kept("number.added", "number"), [true, true, true]);
    }
}
