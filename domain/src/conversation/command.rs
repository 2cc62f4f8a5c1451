//! What may be asked of a conversation.

use chrono::TimeDelta;

use super::event::{
    AgentRef, CalledTool, CancelledFor, ConversationStarted, EndedFor, Finish, Judge, MessageKind,
    MessageRole, PassedOver, ToolOutcome, TurnFault,
};
use crate::envelope::Time;
use crate::ids::{MessageId, ToolId};
use crate::model::{ModelRef, Usage};
use crate::personal::Personal;

/// The longest message, in bytes.
pub const MAX_CONTENT: usize = 64 << 10;
/// How far apart clients hear of answers: one that comes sooner is told with those that follow it.
pub const UPDATES_APART: TimeDelta = TimeDelta::seconds(1);
/// The most entries of a client's own data; names of 64 and values of 500 characters.
pub const MAX_METADATA: usize = 50;

/// Something said.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Names it: the same one again is no news.
    pub id: MessageId,
    /// Who says it.
    pub role: MessageRole,
    /// How.
    pub kind: MessageKind,
    /// What.
    pub content: Personal<String>,
    /// The line of the call's transcript it comes from: lines come in their order, each once.
    pub line: Option<u32>,
    /// When.
    pub at: Time,
}

/// A round of tools.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolRound {
    /// Of which turn.
    pub turn: MessageId,
    /// Names what the model said with it.
    pub id: MessageId,
    /// What the model said with it.
    pub content: Personal<String>,
    /// Which tools: one or more.
    pub calls: Vec<CalledTool>,
    /// Which model.
    pub by: ModelRef,
    /// What it took.
    pub usage: Usage,
    /// In milliseconds.
    pub latency_ms: u64,
    /// Now.
    pub now: Time,
}

/// A tool that was used.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// Of which turn.
    pub turn: MessageId,
    /// Names the result.
    pub id: MessageId,
    /// The model's name of this use.
    pub call_id: String,
    /// Which tool.
    pub tool: Option<ToolId>,
    /// How it ended.
    pub outcome: ToolOutcome,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What the model is told.
    pub content: Personal<String>,
    /// In milliseconds.
    pub latency_ms: u64,
    /// Now.
    pub now: Time,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Completed {
    /// Of which turn.
    pub turn: MessageId,
    /// Names the answer.
    pub id: MessageId,
    /// The answer.
    pub content: Personal<String>,
    /// Which model gave it.
    pub by: ModelRef,
    /// What it took.
    pub usage: Usage,
    /// In milliseconds.
    pub latency_ms: u64,
    /// In milliseconds.
    pub first_token_ms: Option<u64>,
    /// How it ended.
    pub finish: Finish,
    /// Models that were asked before.
    pub passed_over: Vec<PassedOver>,
    /// Now.
    pub now: Time,
}

/// What may be asked of a conversation.
#[derive(Debug, Clone)]
pub enum ConversationCommand {
    /// Begin it.
    Start(Box<ConversationStarted>),
    /// Note what was said; no model answers.
    Note(Vec<Said>),
    /// Say something that a model is to answer. Begins the conversation if need be.
    Ask {
        /// What begins with it, if nothing has.
        start: Option<Box<ConversationStarted>>,
        /// What is said. `None`: answer what was said last.
        said: Option<Box<Said>>,
        /// Who answers.
        agent: Option<AgentRef>,
        /// The node that will ask the model.
        node: String,
        /// The turn this node knows to be dead, if any: nobody works on it.
        dead: Option<MessageId>,
        /// When the turn is over at the latest.
        ends_by: Time,
        /// Now.
        now: Time,
    },
    /// Note that the model wants tools.
    CallTools(Box<ToolRound>),
    /// Note what tools answered.
    Execute(Vec<Executed>),
    /// Note the answer.
    Complete(Box<Completed>),
    /// Note that there is none.
    Fail {
        /// Of which turn.
        turn: MessageId,
        /// Why.
        fault: TurnFault,
        /// Models that were asked.
        passed_over: Vec<PassedOver>,
        /// Now.
        now: Time,
    },
    /// Want an answer no more.
    Cancel {
        /// Of which turn; whichever is open if none is named.
        turn: Option<MessageId>,
        /// Why.
        why: CancelledFor,
        /// Now.
        now: Time,
    },
    /// Sum up what falls out of the window.
    Summarise {
        /// Everything up to this message.
        through: u32,
        /// The summary.
        summary: Personal<String>,
        /// Which model wrote it.
        by: Option<ModelRef>,
        /// Now.
        now: Time,
    },
    /// Note how something was meant.
    Judge {
        /// Which message.
        seq: u32,
        /// From -1000 to 1000.
        score_permille: i16,
        /// Who judged.
        by: Judge,
        /// Now.
        now: Time,
    },
    /// Let clients hear how it stands, if something was kept back.
    TellUpdates {
        /// Now.
        now: Time,
    },
    /// End it.
    End {
        /// Why.
        reason: EndedFor,
        /// Now.
        now: Time,
    },
}

/// Why a conversation does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConversationRefusal {
    /// There is none.
    #[error("the conversation does not exist")]
    Unknown,
    /// It is over.
    #[error("the conversation has ended: start another one")]
    Ended,
    /// An answer is still being given.
    #[error("an answer is still being given: wait for its end")]
    TurnUnderWay,
    /// The turn is over, or was never begun.
    #[error("the turn is over")]
    TurnOver,
    /// Something else is under this id.
    #[error("the message exists already")]
    Exists,
    /// A field that does not do.
    #[error("{1}")]
    Invalid(&'static str, &'static str),
}
