//! What a conversation can be asked to do.

use chrono::TimeDelta;

use super::event::{
    AgentRef, CalledTool, CancelledFor, ConversationStarted, EndedFor, Finish, Judge, MessageKind,
    MessageRole, PassedOver, ToolOutcome, TurnFault,
};
use crate::envelope::Time;
use crate::ids::{MessageId, ToolId};
use crate::knowledge::Retrieved;
use crate::model::{ModelRef, Usage};
use crate::personal::Personal;

/// Longest message, in bytes of UTF-8.
pub const MAX_CONTENT: usize = 64 << 10;
/// Least time between two updates to clients; an answer that comes sooner is published
/// together with later ones.
pub const UPDATES_APART: TimeDelta = TimeDelta::seconds(1);
/// Most metadata entries; a name has up to 64 characters, a value up to 500.
pub const MAX_METADATA: usize = 50;

/// A message to add to the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Idempotency id: the conversation adds each message once.
    pub id: MessageId,
    pub role: MessageRole,
    pub kind: MessageKind,
    pub content: Personal<String>,
    /// Transcript line of the call it comes from; the conversation takes lines in their order, each once.
    pub line: Option<u32>,
    pub at: Time,
}

/// A round of tool calls that the model asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolRound {
    pub turn: MessageId,
    /// Message id of the text the model said along with the calls.
    pub id: MessageId,
    /// Text the model said along with the calls.
    pub content: Personal<String>,
    /// One or more tool calls.
    pub calls: Vec<CalledTool>,
    /// Model that asked for them.
    pub by: ModelRef,
    /// Tokens that this round used.
    pub usage: Usage,
    pub latency_ms: u64,
    pub now: Time,
}

/// The result of one tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    pub turn: MessageId,
    /// Message id of the result.
    pub id: MessageId,
    /// The model's id of the tool call.
    pub call_id: String,
    /// `None` when no tool has that name.
    pub tool: Option<ToolId>,
    pub outcome: ToolOutcome,
    /// HTTP status the tool answered with, if any.
    pub status: Option<u16>,
    /// Result text for the model.
    pub content: Personal<String>,
    pub latency_ms: u64,
    pub now: Time,
}

/// A model's answer to a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Completed {
    pub turn: MessageId,
    /// Message id of the answer.
    pub id: MessageId,
    pub content: Personal<String>,
    /// Model that gave the answer.
    pub by: ModelRef,
    /// Tokens used, without those of the tool rounds.
    pub usage: Usage,
    /// From the message to the end of the answer.
    pub latency_ms: u64,
    /// From the message to the beginning of the answer.
    pub first_token_ms: Option<u64>,
    pub finish: Finish,
    /// Models that were asked before, without success.
    pub passed_over: Vec<PassedOver>,
    /// What was looked up in knowledge bases; `None` for an agent without any.
    pub retrieved: Option<Retrieved>,
    pub now: Time,
}

/// A command for a conversation.
#[derive(Debug, Clone)]
pub enum ConversationCommand {
    Start(Box<ConversationStarted>),
    /// Add messages that no model is to answer.
    Note(Vec<Said>),
    /// Begin a turn: a model is to answer a message. Begins the conversation too if need be.
    Ask {
        /// How to begin the conversation if it does not exist yet.
        start: Option<Box<ConversationStarted>>,
        /// Message to answer; `None`: the person's last message.
        said: Option<Box<Said>>,
        agent: Option<AgentRef>,
        /// The node that will ask the model.
        node: String,
        /// An open turn that no node works on any more; it counts as failed.
        dead: Option<MessageId>,
        /// When the turn counts as abandoned.
        ends_by: Time,
        now: Time,
    },
    /// Record that the model wants tools.
    CallTools(Box<ToolRound>),
    /// Record the results of tool calls.
    Execute(Vec<Executed>),
    /// Record the answer and end the turn.
    Complete(Box<Completed>),
    /// Record that no model answered.
    Fail {
        turn: MessageId,
        fault: TurnFault,
        /// Models that were asked, without success.
        passed_over: Vec<PassedOver>,
        now: Time,
    },
    /// Cancel the open turn; nobody wants its answer.
    Cancel {
        /// Turn to cancel; `None`: whichever is open.
        turn: Option<MessageId>,
        why: CancelledFor,
        now: Time,
    },
    /// Replace the oldest messages in memory by a summary.
    Summarise {
        /// Number of the last message that the summary covers.
        through: u32,
        summary: Personal<String>,
        /// Model that wrote it; `None`: it quotes the beginnings of the messages.
        by: Option<ModelRef>,
        now: Time,
    },
    /// Record the sentiment of a message.
    Judge {
        /// Number of the judged message.
        seq: u32,
        /// From -1000 (very bad) to 1000 (very good).
        score_permille: i16,
        by: Judge,
        now: Time,
    },
    /// Publish the updates that were held back, if any.
    TellUpdates {
        now: Time,
    },
    End {
        reason: EndedFor,
        now: Time,
    },
}

/// Why a conversation refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConversationRefusal {
    #[error("the conversation does not exist")]
    Unknown,
    #[error("the conversation has ended: start another one")]
    Ended,
    #[error("an answer is still being given: wait for its end")]
    TurnUnderWay,
    /// The turn is over, or never began.
    #[error("the turn is over")]
    TurnOver,
    /// Something else has this id already.
    #[error("the message exists already")]
    Exists,
    /// A field at fault, and what would be right.
    #[error("{1}")]
    Invalid(&'static str, &'static str),
}
