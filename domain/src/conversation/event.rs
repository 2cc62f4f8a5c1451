//! What can happen in a conversation. What people and models say is personal data.

use std::collections::BTreeMap;

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};

use crate::envelope::{Time, Version};
use crate::ids::{AgentId, CallId, CustomerId, MessageId, ToolId};
use crate::knowledge::Retrieved;
use crate::model::{ModelRef, Usage};
use crate::personal::Personal;
use crate::wire::events;

events! {
    /// A stored fact of a conversation.
    pub enum ConversationEvent {
        Started(ConversationStarted) = "conversation.started" v 1,
        /// Somebody said something; a model may be asked to answer it.
        MessageAdded(MessageAdded) = "conversation.message_added" v 1,
        /// A turn began: a model is to answer a message.
        TurnStarted(TurnStarted) = "conversation.turn_started" v 1,
        /// The model wants tools to be used before it answers.
        ToolsCalled(ToolsCalled) = "conversation.tools_called" v 1,
        /// A tool call ended, with or without a result.
        FunctionExecuted(FunctionExecuted) = "conversation.function_executed" v 1,
        /// The model answered the message.
        TurnCompleted(TurnCompleted) = "conversation.turn_completed" v 1,
        /// No model answered the message.
        TurnFailed(TurnFailed) = "conversation.turn_failed" v 1,
        /// The answer is no longer wanted.
        TurnCancelled(TurnCancelled) = "conversation.turn_cancelled" v 1,
        /// A summary replaced the oldest messages in memory.
        Summarised(Summarised) = "conversation.summarised" v 1,
        /// The sentiment of a message was judged.
        SentimentJudged(SentimentJudged) = "conversation.sentiment_judged" v 1,
        /// Clients are told the current state: answers that came soon after another were held back.
        UpdatesTold(UpdatesTold) = "conversation.updates_told" v 1,
        Ended(ConversationEnded) = "conversation.ended" v 1,
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// All values of the set.
            pub const ALL: &'static [$name] = &[$(Self::$variant,)*];

            /// Name as stored and shown in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Reads a stored name; `None` for an unknown one.
            #[must_use]
            pub fn from_name(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    )*};
}

words! {
    /// Where a conversation takes place.
    Channel {
        /// Over the REST API.
        Api = "api",
        /// On a phone call.
        Voice = "voice",
    }

    /// Who said a message.
    MessageRole {
        /// The person who talks to the agent.
        User = "user",
        /// The agent, through its model.
        Assistant = "assistant",
        /// The platform, neither of the two parties.
        System = "system",
        /// A tool, by its result.
        Tool = "tool",
    }

    /// How something was said.
    MessageKind {
        /// In spoken or written words.
        Text = "text",
        /// With keys of a phone.
        Dtmf = "dtmf",
    }

    /// How a tool call ended.
    ToolOutcome {
        /// The tool answered with a result.
        Succeeded = "succeeded",
        /// The tool answered that it failed, or not at all.
        Failed = "failed",
        /// The tool did not answer in time.
        TimedOut = "timed_out",
        /// The tool was not called: the arguments do not fit, the tool is unknown, or its address is refused.
        Refused = "refused",
    }

    /// How an answer ended.
    Finish {
        /// The model finished the answer.
        Stop = "stop",
        /// The answer reached the longest length allowed.
        Length = "length",
        /// The model refused to answer.
        Refused = "refused",
        /// The turn used up its rounds of tools.
        ToolRounds = "tool_rounds",
    }

    /// Why no model answered.
    TurnFault {
        /// No credentials for the provider are set.
        NotConfigured = "provider_not_configured",
        /// The provider rejects the credentials.
        Credentials = "provider_credentials",
        /// The account with the provider is used up.
        Billing = "provider_billing",
        /// The provider does not know the model.
        UnknownModel = "unknown_model",
        /// The provider rejects the request.
        BadRequest = "provider_refused",
        /// The conversation is longer than the model takes.
        TooLong = "context_too_long",
        /// The provider got too many requests.
        RateLimited = "provider_rate_limited",
        /// The provider is overloaded, or cannot be reached.
        Unavailable = "provider_unavailable",
        /// The provider did not answer in time.
        TimedOut = "provider_timeout",
        /// The provider's answer cannot be understood.
        Protocol = "provider_protocol",
        /// The node died over the turn, or the turn outlived its limit.
        Abandoned = "abandoned",
    }

    /// Why an answer is not wanted any more.
    CancelledFor {
        /// The conversation ended before the answer.
        Ended = "ended",
        /// Somebody asked to cancel it.
        Asked = "asked",
        /// The caller went on speaking.
        Interrupted = "interrupted",
    }

    /// Who judged the sentiment of a message.
    Judge {
        /// A built-in list of words.
        Lexicon = "lexicon",
        /// A language model, when asked.
        Model = "model",
    }

    /// Why a conversation is over.
    EndedFor {
        /// Somebody asked to end it.
        Asked = "asked",
        /// The call it was on ended.
        Call = "call",
    }
}

/// An agent in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentRef {
    pub id: AgentId,
    pub version: Version,
}

/// The client's own data: names with text values.
pub type Metadata = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationStarted {
    /// `None`: no particular agent talks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentRef>,
    pub channel: Channel,
    /// Call the conversation is on, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The client's own id of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Personal<Metadata>>,
    /// The customer that the conversation is with, where the client named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageAdded {
    pub id: MessageId,
    /// Number in the conversation, from 1.
    pub seq: u32,
    /// Message that this one precedes, because the carrier reported it late; `None`: it stands in
    /// the order of `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    pub role: MessageRole,
    pub kind: MessageKind,
    pub content: Personal<String>,
    /// Transcript line of the call it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnStarted {
    /// Message to answer; its id names the turn.
    pub turn: MessageId,
    /// Agent that answers, in its version at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentRef>,
    /// The node that asks the model.
    pub node: String,
    /// When the turn counts as abandoned.
    #[serde(with = "micros")]
    pub ends_by: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

/// A tool call that the model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalledTool {
    /// The model's id of the call.
    pub id: String,
    pub name: String,
    /// JSON, as the model wrote it.
    pub arguments: Personal<String>,
    /// Data of the provider to send back unchanged, for example Google's `thoughtSignature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Personal<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolsCalled {
    pub turn: MessageId,
    /// Number of the round in its turn, from 1.
    pub round: u32,
    /// Message id of the text the model said along with the calls.
    pub id: MessageId,
    /// Number in the conversation, from 1.
    pub seq: u32,
    /// Text the model said along with the calls.
    pub content: Personal<String>,
    pub calls: Vec<CalledTool>,
    /// Model that asked for them.
    pub by: ModelRef,
    /// Tokens that this round used.
    pub usage: Usage,
    pub latency_ms: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionExecuted {
    pub turn: MessageId,
    /// Message id of the result.
    pub id: MessageId,
    /// Number in the conversation, from 1.
    pub seq: u32,
    /// The model's id of the tool call.
    pub call_id: String,
    /// `None` when no tool has that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolId>,
    /// Name of the tool as the model called it.
    pub name: String,
    pub outcome: ToolOutcome,
    /// HTTP status the tool answered with, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Result text for the model.
    pub content: Personal<String>,
    pub latency_ms: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

/// A model that was asked without success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    pub model: ModelRef,
    pub fault: TurnFault,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnCompleted {
    pub turn: MessageId,
    /// Message id of the answer.
    pub id: MessageId,
    /// Number in the conversation, from 1.
    pub seq: u32,
    pub content: Personal<String>,
    /// Model that gave the answer.
    pub by: ModelRef,
    /// Tokens used, without those of the tool rounds.
    pub usage: Usage,
    /// From the message to the end of the answer.
    pub latency_ms: u64,
    /// From the message to the beginning of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    pub finish: Finish,
    /// Models that were asked before, without success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// What was looked up in knowledge bases for the answer; `None` for an agent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieved: Option<Retrieved>,
    /// Call on which to speak the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// When clients are told of the answer, together with later ones; `None`: at once.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "micros_option")]
    pub tell_at: Option<Time>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnFailed {
    pub turn: MessageId,
    pub fault: TurnFault,
    /// Models that were asked, without success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// The call on which the caller waits for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnCancelled {
    pub turn: MessageId,
    pub why: CancelledFor,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summarised {
    /// Number of the last message that the summary covers.
    pub through: u32,
    /// Covers everything so far and replaces earlier summaries.
    pub summary: Personal<String>,
    /// Model that wrote it; `None`: it quotes the beginnings of the messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ModelRef>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentimentJudged {
    /// Number of the judged message.
    pub seq: u32,
    /// From -1000 (very bad) to 1000 (very good).
    pub score_permille: i16,
    pub by: Judge,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdatesTold {
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationEnded {
    pub reason: EndedFor,
    #[serde(with = "micros")]
    pub at: Time,
}
