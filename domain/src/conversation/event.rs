//! What happens in a conversation. What was said is personal.

use std::collections::BTreeMap;

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};

use crate::envelope::{Time, Version};
use crate::ids::{AgentId, CallId, MessageId, ToolId};
use crate::model::{ModelRef, Usage};
use crate::personal::Personal;
use crate::wire::events;

events! {
    /// A fact of a conversation.
    pub enum ConversationEvent {
        /// It began.
        Started(ConversationStarted) = "conversation.started" v 1,
        /// Something was said that needed no answer of a model's, or waits for one.
        MessageAdded(MessageAdded) = "conversation.message_added" v 1,
        /// A model is to answer.
        TurnStarted(TurnStarted) = "conversation.turn_started" v 1,
        /// The model wants tools to be used before it answers.
        ToolsCalled(ToolsCalled) = "conversation.tools_called" v 1,
        /// A tool was used.
        FunctionExecuted(FunctionExecuted) = "conversation.function_executed" v 1,
        /// The model answered.
        TurnCompleted(TurnCompleted) = "conversation.turn_completed" v 1,
        /// No model answered.
        TurnFailed(TurnFailed) = "conversation.turn_failed" v 1,
        /// The answer is not wanted any more.
        TurnCancelled(TurnCancelled) = "conversation.turn_cancelled" v 1,
        /// What falls out of the window was summed up.
        Summarised(Summarised) = "conversation.summarised" v 1,
        /// How something was meant was judged.
        SentimentJudged(SentimentJudged) = "conversation.sentiment_judged" v 1,
        /// Clients hear how it stands: answers that came soon after another were kept back.
        UpdatesTold(UpdatesTold) = "conversation.updates_told" v 1,
        /// It is over.
        Ended(ConversationEnded) = "conversation.ended" v 1,
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every one.
            pub const ALL: &'static [$name] = &[$(Self::$variant,)*];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The one of that word.
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
        /// Over the API.
        Api = "api",
        /// On a call.
        Voice = "voice",
    }

    /// Who says something.
    MessageRole {
        /// The person.
        User = "user",
        /// The agent.
        Assistant = "assistant",
        /// The platform.
        System = "system",
        /// A tool.
        Tool = "tool",
    }

    /// How something was said.
    MessageKind {
        /// In words.
        Text = "text",
        /// With keys.
        Dtmf = "dtmf",
    }

    /// How the use of a tool ended.
    ToolOutcome {
        /// It answered.
        Succeeded = "succeeded",
        /// It answered that it failed, or not at all.
        Failed = "failed",
        /// It did not answer in time.
        TimedOut = "timed_out",
        /// It was not asked: the arguments do not fit, it is unknown, or its address is refused.
        Refused = "refused",
    }

    /// How an answer ended.
    Finish {
        /// It was said to its end.
        Stop = "stop",
        /// It was cut off at the longest answer.
        Length = "length",
        /// The model would not answer.
        Refused = "refused",
        /// Too many rounds of tools.
        ToolRounds = "tool_rounds",
    }

    /// Why no model answered.
    TurnFault {
        /// No credentials for the provider.
        NotConfigured = "provider_not_configured",
        /// The provider does not take the credentials.
        Credentials = "provider_credentials",
        /// The account with the provider is used up.
        Billing = "provider_billing",
        /// The provider does not know the model.
        UnknownModel = "unknown_model",
        /// The provider does not take the request.
        BadRequest = "provider_refused",
        /// What was said is longer than the model takes.
        TooLong = "context_too_long",
        /// Too many requests.
        RateLimited = "provider_rate_limited",
        /// The provider is overloaded, or cannot be reached.
        Unavailable = "provider_unavailable",
        /// The provider did not answer in time.
        TimedOut = "provider_timeout",
        /// What the provider said makes no sense.
        Protocol = "provider_protocol",
        /// The node died over it.
        Abandoned = "abandoned",
    }

    /// Why an answer is not wanted any more.
    CancelledFor {
        /// The conversation ended.
        Ended = "ended",
        /// Somebody said so.
        Asked = "asked",
        /// The caller spoke on.
        Interrupted = "interrupted",
    }

    /// Who judged how something was meant.
    Judge {
        /// A list of words.
        Lexicon = "lexicon",
        /// A model.
        Model = "model",
    }

    /// Why a conversation is over.
    EndedFor {
        /// Somebody said so.
        Asked = "asked",
        /// Its call ended.
        Call = "call",
    }
}

/// The agent that talks, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentRef {
    /// Which.
    pub id: AgentId,
    /// In which version.
    pub version: Version,
}

/// A client's own data.
pub type Metadata = BTreeMap<String, String>;

/// See [`ConversationEvent::Started`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationStarted {
    /// Who talks; nobody in particular if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentRef>,
    /// Where.
    pub channel: Channel,
    /// The call it takes place on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The client's own name of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Personal<String>>,
    /// The client's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Personal<Metadata>>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::MessageAdded`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageAdded {
    /// Names it.
    pub id: MessageId,
    /// Its number in the conversation, from 1.
    pub seq: u32,
    /// Where it was told late: the message it stands before, by when it was said. `None`: where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// Who says it.
    pub role: MessageRole,
    /// How.
    pub kind: MessageKind,
    /// What.
    pub content: Personal<String>,
    /// The line of the call's transcript it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::TurnStarted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnStarted {
    /// The message that is answered: it names the turn.
    pub turn: MessageId,
    /// The agent that answers, as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentRef>,
    /// The node that asks the model.
    pub node: String,
    /// When it is over at the latest.
    #[serde(with = "micros")]
    pub ends_by: Time,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// A tool the model wants to be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalledTool {
    /// The model's name of this use.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: JSON, as the model wrote it.
    pub arguments: Personal<String>,
    /// What the provider wants back with it, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Personal<String>>,
}

/// See [`ConversationEvent::ToolsCalled`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolsCalled {
    /// Of which turn.
    pub turn: MessageId,
    /// 1, 2, 3, ….
    pub round: u32,
    /// Names what the model said with it.
    pub id: MessageId,
    /// Its number in the conversation.
    pub seq: u32,
    /// What the model said with it.
    pub content: Personal<String>,
    /// Which tools.
    pub calls: Vec<CalledTool>,
    /// Which model.
    pub by: ModelRef,
    /// What it took.
    pub usage: Usage,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::FunctionExecuted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionExecuted {
    /// Of which turn.
    pub turn: MessageId,
    /// Names the result as a message.
    pub id: MessageId,
    /// Its number in the conversation.
    pub seq: u32,
    /// The model's name of this use.
    pub call_id: String,
    /// Which tool, if there is one of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolId>,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: ToolOutcome,
    /// The HTTP status it answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What the model is told.
    pub content: Personal<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// When it ended.
    #[serde(with = "micros")]
    pub at: Time,
}

/// A model that was asked in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Which.
    pub model: ModelRef,
    /// Why.
    pub fault: TurnFault,
}

/// See [`ConversationEvent::TurnCompleted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnCompleted {
    /// Which turn.
    pub turn: MessageId,
    /// Names the answer.
    pub id: MessageId,
    /// Its number in the conversation.
    pub seq: u32,
    /// The answer.
    pub content: Personal<String>,
    /// Which model gave it.
    pub by: ModelRef,
    /// What it took, the rounds of tools not included.
    pub usage: Usage,
    /// From the message to the answer's end, in milliseconds.
    pub latency_ms: u64,
    /// From the message to the answer's beginning, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    /// How it ended.
    pub finish: Finish,
    /// Models that were asked before, in vain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// The call on which it is to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// When clients hear of it, with whatever else has been said by then; at once if none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "micros_option")]
    pub tell_at: Option<Time>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::TurnFailed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnFailed {
    /// Which turn.
    pub turn: MessageId,
    /// Why.
    pub fault: TurnFault,
    /// Models that were asked, in vain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// The call on which the caller waits for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::TurnCancelled`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnCancelled {
    /// Which turn.
    pub turn: MessageId,
    /// Why.
    pub why: CancelledFor,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::Summarised`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summarised {
    /// Everything up to this message.
    pub through: u32,
    /// The summary of it all; it takes the place of earlier ones.
    pub summary: Personal<String>,
    /// Which model wrote it; none: the beginnings of what was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ModelRef>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::SentimentJudged`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentimentJudged {
    /// Which message.
    pub seq: u32,
    /// From -1000 (very bad) to 1000 (very good).
    pub score_permille: i16,
    /// Who judged.
    pub by: Judge,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::UpdatesTold`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdatesTold {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ConversationEvent::Ended`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationEnded {
    /// Why.
    pub reason: EndedFor,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
