//! Language models: what they are asked, what they answer, and how that can fail.
//!
//! [`ChatProvider`] is one provider, [`LanguageModels`] all of them: it knows credentials, leaves alone what keeps
//! failing, and goes on to the next model of a list when one does not answer.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::conversation::{Finish, PassedOver, TurnFault};
use crate::ids::ClientId;
use crate::model::{ModelRef, Provider, Usage};

/// A tool a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// A tool a model calls.
#[derive(Clone, PartialEq)]
pub struct ToolCall {
    /// The provider's name of this call; made by us where it gives none.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: JSON as the model wrote it, which may be none. Nothing at all is `{}`.
    pub arguments: String,
    /// What the provider wants back with the call, as it is.
    pub opaque: Option<String>,
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCall").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A message of a chat.
#[derive(Clone, PartialEq)]
pub enum ChatMessage {
    /// What the person says.
    User(String),
    /// What the model said.
    Assistant {
        /// The words.
        text: String,
        /// Tools it called with them.
        calls: Vec<ToolCall>,
        /// Which model that was.
        by: Option<ModelRef>,
    },
    /// What a tool answered. Every call has one.
    Tool {
        /// The call's id.
        call_id: String,
        /// The tool's name.
        name: String,
        /// What it answered.
        content: String,
        /// Whether it failed.
        failed: bool,
    },
}

impl fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChatMessage::User(_) => "<user's message>",
            ChatMessage::Assistant { .. } => "<assistant's message>",
            ChatMessage::Tool { .. } => "<tool's answer>",
        })
    }
}

/// What a model is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    /// What it is told before anything else.
    pub system: Option<String>,
    /// What was said, oldest first.
    pub messages: Vec<ChatMessage>,
    /// What it may use.
    pub tools: Vec<ToolSpec>,
    /// From 0 to 2; the provider's own default if none.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens; the provider's own default if none.
    pub max_tokens: Option<u32>,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// More words; never empty.
    Text(String),
    /// The last so many bytes of the words so far were none: only now it shows that the model was thinking.
    Withdrawn(usize),
    /// A whole call of a tool.
    ToolCall(ToolCall),
    /// What it took so far: takes the place of what was said before.
    Usage(Usage),
    /// It ended. Nothing follows but, at the most, usage.
    Finished(Finish),
}

/// Takes back the last so many bytes of words; see [`ChatEvent::Withdrawn`].
pub fn withdraw(words: &mut String, bytes: usize) {
    let mut left = words.len().saturating_sub(bytes);
    while !words.is_char_boundary(left) {
        left -= 1;
    }
    words.truncate(left);
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The words.
    pub text: String,
    /// Tools it calls.
    pub calls: Vec<ToolCall>,
    /// What it took.
    pub usage: Usage,
    /// How it ended.
    pub finish: Finish,
}

/// Why a model does not answer. The texts are for logs and hold nothing of what was said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmFailure {
    /// There are no credentials.
    #[error("no credentials for {0}: set VOXLEDGER_{name}_API_KEY, or an account of kind llm", name = .0.as_str().to_uppercase())]
    NotConfigured(Provider),
    /// The credentials are not taken.
    #[error("the provider does not take the credentials")]
    Credentials,
    /// The account is used up.
    #[error("the account with the provider is used up ({0})")]
    Billing(String),
    /// The request is not taken.
    #[error("the provider does not take the request ({0})")]
    BadRequest(String),
    /// Nobody there knows the model.
    #[error("the provider does not know the model")]
    UnknownModel,
    /// More was said than the model takes.
    #[error("what was said is longer than the model takes")]
    TooLong,
    /// Too many requests.
    #[error("too many requests")]
    RateLimited {
        /// How long to wait.
        retry_after: Option<Duration>,
    },
    /// Too busy, or broken.
    #[error("the provider is overloaded ({0})")]
    Overloaded(String),
    /// No connection, or it broke.
    #[error("the provider cannot be reached ({0})")]
    Transport(String),
    /// It took too long.
    #[error("the provider did not answer in time ({0})")]
    TimedOut(&'static str),
    /// What it said makes no sense.
    #[error("the provider's answer makes no sense ({0})")]
    Protocol(String),
    /// It failed so often lately that it is left alone.
    #[error("the provider is left alone after repeated failures")]
    LeftAlone,
}

impl LlmFailure {
    /// What it is called in the log.
    #[must_use]
    pub fn fault(&self) -> TurnFault {
        match self {
            LlmFailure::NotConfigured(_) => TurnFault::NotConfigured,
            LlmFailure::Credentials => TurnFault::Credentials,
            LlmFailure::Billing(_) => TurnFault::Billing,
            LlmFailure::BadRequest(_) => TurnFault::BadRequest,
            LlmFailure::UnknownModel => TurnFault::UnknownModel,
            LlmFailure::TooLong => TurnFault::TooLong,
            LlmFailure::RateLimited { .. } => TurnFault::RateLimited,
            LlmFailure::Overloaded(_) | LlmFailure::Transport(_) | LlmFailure::LeftAlone => {
                TurnFault::Unavailable
            }
            LlmFailure::TimedOut(_) => TurnFault::TimedOut,
            LlmFailure::Protocol(_) => TurnFault::Protocol,
        }
    }

    /// Whether it says something of the provider's health, rather than of the request or the account.
    #[must_use]
    pub fn is_sickness(&self) -> bool {
        matches!(self, Self::Overloaded(_) | Self::Transport(_) | Self::TimedOut(_) | Self::Protocol(_))
    }
}

/// An answer as it comes.
#[async_trait]
pub trait ChatEvents: Send {
    /// The next piece; nothing after the end. A failure is the last one. Dropping it stops the model.
    async fn next(&mut self) -> Option<Result<ChatEvent, LlmFailure>>;
}

/// A provider: one attempt a call, but for repeats that are safe.
///
/// An answer that does not say how it ended is a failure, however much of it came. Calls of tools are only told
/// whole. Everything takes bounded time and memory.
#[async_trait]
pub trait ChatProvider: fmt::Debug + Send + Sync {
    /// Begins an answer.
    async fn stream(&self, model: &str, request: &ChatRequest) -> Result<Box<dyn ChatEvents>, LlmFailure>;

    /// A whole answer.
    async fn complete(&self, model: &str, request: &ChatRequest) -> Result<Completion, LlmFailure>;

    /// The models it serves just now.
    async fn models(&self) -> Result<Vec<String>, LlmFailure>;
}

/// No model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Why the last one did not.
    pub failure: LlmFailure,
    /// Who was asked.
    pub passed_over: Vec<PassedOver>,
}

/// An answer that has begun: its first piece is there.
pub struct Answering {
    /// The model that answers.
    pub by: ModelRef,
    /// Those that did not.
    pub passed_over: Vec<PassedOver>,
    /// The pieces, the first one included.
    pub events: Box<dyn ChatEvents>,
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").field("by", &self.by).finish_non_exhaustive()
    }
}

/// Whether a model is asked just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerWord {
    /// It is.
    Closed,
    /// It is left alone.
    Open,
    /// One request decides.
    HalfOpen,
}

impl BreakerWord {
    /// Every one.
    pub const ALL: [BreakerWord; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// How a model is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatus {
    /// Its name.
    pub model: String,
    /// Tokens it reads and writes, together.
    pub context: Option<u64>,
    /// Whether it is asked.
    pub breaker: BreakerWord,
    /// Why it last did not answer.
    pub last_error: Option<TurnFault>,
}

/// How a provider is doing for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Which.
    pub provider: Provider,
    /// Whether there are credentials.
    pub configured: bool,
    /// Whether they are the client's own.
    pub own: bool,
    /// The model that is asked when nobody names one.
    pub default_model: Option<String>,
    /// Its models.
    pub models: Vec<ModelStatus>,
    /// Old names that are mapped to newer ones.
    pub replaced: Vec<(String, String)>,
}

/// All providers.
#[async_trait]
pub trait LanguageModels: fmt::Debug + Send + Sync {
    /// Begins an answer by the first of `models` that gives one. Once a piece is there, it is that model's to finish.
    async fn stream(
        &self,
        client: ClientId,
        models: &[ModelRef],
        request: &ChatRequest,
    ) -> Result<Answering, Unanswered>;

    /// A whole answer by the first of `models` that gives one, and which that was.
    async fn complete(
        &self,
        client: ClientId,
        models: &[ModelRef],
        request: &ChatRequest,
    ) -> Result<(ModelRef, Completion), Unanswered>;

    /// The model that is asked when nobody names one: of the client's own provider, or the first one configured.
    async fn default_models(&self, client: ClientId) -> Vec<ModelRef>;

    /// How the providers are doing for a client.
    async fn statuses(&self, client: ClientId) -> Vec<ProviderStatus>;
}
