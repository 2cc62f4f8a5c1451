//! How a call is led: by an IVR session, or by an agent.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Time;
use crate::ids::{AgentId, ConversationId, IvrSessionId, MenuId};
use crate::personal::Personal;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IvrSessionRequested {
    /// Id of the session to start.
    pub session_id: IvrSessionId,
    pub menu_id: MenuId,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgentRequested {
    /// Id of the conversation to start.
    pub conversation_id: ConversationId,
    pub agent_id: AgentId,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConversationNotified {
    /// Id of this notice; also the outbox's effect id.
    pub id: Uuid,
    pub conversation_id: ConversationId,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatherRequested {
    pub effect_id: Uuid,
    pub session_id: IvrSessionId,
    /// Number of its transcript line, from 1.
    pub seq: u32,
    /// Prompt that the carrier speaks.
    pub text: Personal<String>,
    /// Keys the carrier collects at most: the entry's length minus keys pressed ahead.
    pub max_digits: u32,
    /// Key that ends the entry early, for example `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminator: Option<char>,
    /// Whether the keys are secret; then only their number is stored.
    pub secret: bool,
    /// Longest wait for the first key.
    pub timeout_ms: u64,
    /// Longest wait for each further key.
    pub inter_digit_timeout_ms: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

/// What a call reports to its IVR session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum IvrNews {
    /// A gather ended, with or without keys.
    Gathered {
        /// Id of the gather.
        ask: Uuid,
        /// Keys of the whole entry; `None` when they are secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<Personal<String>>,
        /// Number of keys, also of secret ones.
        length: u32,
        /// The carrier's status, for example `valid` or `timeout`.
        status: String,
    },
    /// The caller pressed the single key that was asked for; the carrier's gather webhook is still to come.
    Keyed {
        /// Id of the gather.
        ask: Uuid,
        digit: Personal<char>,
    },
    /// The other party is on the line.
    TransferConnected {
        /// Id of the transfer.
        ask: Uuid,
    },
    /// The other party could not be reached.
    TransferFailed {
        /// Id of the transfer.
        ask: Uuid,
    },
    /// The carrier did not carry out a gather.
    OrderFailed {
        /// Id of the gather.
        ask: Uuid,
        /// Whether the carrier says that the call is over.
        gone: bool,
    },
    /// The call is over.
    Ended {
        /// Whether the person at the other end hung up.
        by_caller: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IvrNotified {
    /// Id of this notice; the session ignores a repeat.
    pub id: Uuid,
    pub session_id: IvrSessionId,
    pub news: IvrNews,
    /// How many keys pressed ahead the entry consumes; `None` when it was not keyed ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u32>,
    #[serde(with = "micros")]
    pub at: Time,
}
