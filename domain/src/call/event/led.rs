//! How a call is led: by a session in the menus, by an agent.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Time;
use crate::ids::{AgentId, ConversationId, IvrSessionId, MenuId};
use crate::personal::Personal;

/// See [`super::CallEvent::IvrSessionRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IvrSessionRequested {
    /// The session that is to begin.
    pub session_id: IvrSessionId,
    /// In which menu.
    pub menu_id: MenuId,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::AgentRequested`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgentRequested {
    /// The conversation that is to begin.
    pub conversation_id: ConversationId,
    /// Who talks.
    pub agent_id: AgentId,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::ConversationNotified`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConversationNotified {
    /// Names the news.
    pub id: Uuid,
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::GatherRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatherRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// For which session.
    pub session_id: IvrSessionId,
    /// Its line of the transcript, from 1.
    pub seq: u32,
    /// The prompt.
    pub text: Personal<String>,
    /// Most keys.
    pub max_digits: u32,
    /// The key that ends them before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminator: Option<char>,
    /// Whether the keys are kept from everybody.
    pub secret: bool,
    /// How long to wait for the first key.
    pub timeout_ms: u64,
    /// How long to wait for the next one.
    pub inter_digit_timeout_ms: u64,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// What a session in the menus is told of its call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum IvrNews {
    /// A gather is over.
    Gathered {
        /// Which.
        ask: Uuid,
        /// The keys; nothing of secret ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<Personal<String>>,
        /// How many.
        length: u32,
        /// The carrier's status.
        status: String,
    },
    /// The one key that was asked for was pressed; the carrier's word about the gather is still to come.
    Keyed {
        /// Which gather.
        ask: Uuid,
        /// The key.
        digit: Personal<char>,
    },
    /// The other party is on the line.
    TransferConnected {
        /// Which transfer.
        ask: Uuid,
    },
    /// The other party could not be reached.
    TransferFailed {
        /// Which transfer.
        ask: Uuid,
    },
    /// The carrier did not do what it was asked.
    OrderFailed {
        /// Which order.
        ask: Uuid,
        /// Whether the call is over there.
        gone: bool,
    },
    /// The call is over.
    Ended {
        /// Whether the person at the other end hung up.
        by_caller: bool,
    },
}

/// See [`super::CallEvent::IvrNotified`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IvrNotified {
    /// Names the news: told twice, it is none.
    pub id: Uuid,
    /// Which session.
    pub session_id: IvrSessionId,
    /// What happened.
    pub news: IvrNews,
    /// How many keys it takes of those that were pressed before they were asked for; `None` where it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u32>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
