//! Events of a memory and their payloads.

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Time;
use crate::ids::{CallId, ConversationId, CustomerId, MemoryId, MessageId};
use crate::personal::Personal;
use crate::wire::events;

events! {
    pub enum MemoryEvent {
        Recorded(MemoryRecorded) = "memory.recorded" v 1,
        /// It was learned again.
        Confirmed(MemoryConfirmed) = "memory.confirmed" v 1,
        Updated(MemoryUpdated) = "memory.updated" v 1,
        /// Something newer contradicts it.
        Superseded(MemorySuperseded) = "memory.superseded" v 1,
        Forgotten(MemoryForgotten) = "memory.forgotten" v 1,
        /// Its time is over.
        Expired(MemoryExpired) = "memory.expired" v 1,
    }
}

/// What a memory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// Something that is so, such as a name or an address.
    Fact,
    /// How the customer likes things to be.
    Preference,
    /// A problem that is not solved yet.
    Issue,
    /// Something the customer was promised.
    Promise,
    /// Anything else that is worth knowing.
    Note,
}

impl MemoryKind {
    pub const ALL: [MemoryKind; 5] = [Self::Fact, Self::Preference, Self::Issue, Self::Promise, Self::Note];

    /// Name as stored and shown in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Preference => "preference",
            Self::Issue => "issue",
            Self::Promise => "promise",
            Self::Note => "note",
        }
    }

    /// Reads a stored name; `None` for an unknown one.
    #[must_use]
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where a memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MemorySource {
    /// A client wrote it over the REST API.
    Api,
    Conversation {
        id: ConversationId,
    },
    Call {
        id: CallId,
    },
}

impl MemorySource {
    /// Name of its kind, as shown in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Conversation { .. } => "conversation",
            Self::Call { .. } => "call",
        }
    }

    /// Id of the conversation or call; `None` for the API.
    #[must_use]
    pub const fn id(self) -> Option<Uuid> {
        match self {
            Self::Api => None,
            Self::Conversation { id } => Some(id.0),
            Self::Call { id } => Some(id.0),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryRecorded {
    pub customer: CustomerId,
    /// A sentence about the customer.
    pub content: Personal<String>,
    pub kind: MemoryKind,
    pub source: MemorySource,
    /// Messages that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<MessageId>,
    /// How sure it is, in thousandths.
    pub confidence_permille: u16,
    /// When it is no longer true, or no longer of use; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "micros_option")]
    pub expires_at: Option<Time>,
    /// The memory that it contradicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<MemoryId>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryConfirmed {
    pub source: MemorySource,
    /// Messages that show it, besides those from before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<MessageId>,
    /// How sure it is from now on, in thousandths.
    pub confidence_permille: u16,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryUpdated {
    pub customer: CustomerId,
    /// Names of the fields that differ from before.
    pub fields: Vec<String>,
    pub content: Personal<String>,
    pub kind: MemoryKind,
    /// In thousandths, from now on.
    pub confidence_permille: u16,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "micros_option")]
    pub expires_at: Option<Time>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemorySuperseded {
    /// The memory that contradicts it.
    pub by: MemoryId,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryForgotten {
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryExpired {
    #[serde(with = "micros")]
    pub at: Time,
}
