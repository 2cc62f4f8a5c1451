//! Language models: what they are asked, what they answer, and how that can fail.
//!
//! [`ChatProvider`] is one provider. [`LanguageModels`] is all of them: it knows credentials, holds
//! requests back from what keeps failing (circuit breakers), and falls back to the next model of a list
//! when one does not answer.

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
    pub name: String,
    /// Tells the model what the tool does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// A call of a tool by a model.
#[derive(Clone, PartialEq)]
pub struct ToolCall {
    /// The provider's id of this call; the node makes one where the provider gives none.
    pub id: String,
    pub name: String,
    /// Arguments as the model wrote them, which may not be JSON; none at all are `{}`.
    pub arguments: String,
    /// Data of the provider that must be sent back with the call as it is.
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
    User(String),
    Assistant {
        text: String,
        /// Tools the model called along with the text.
        calls: Vec<ToolCall>,
        /// The model that wrote it, if known.
        by: Option<ModelRef>,
    },
    /// The result of a tool call. Every call has one.
    Tool {
        call_id: String,
        name: String,
        content: String,
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

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    /// System prompt, before the first message.
    pub system: Option<String>,
    /// The chat so far, oldest message first.
    pub messages: Vec<ChatMessage>,
    /// Tools the model may call.
    pub tools: Vec<ToolSpec>,
    /// Sampling temperature, 0 to 2; `None` is the provider's default.
    pub temperature: Option<f64>,
    /// Longest answer, in tokens; `None` is the provider's default.
    pub max_tokens: Option<u32>,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// More text of the answer; never empty.
    Text(String),
    /// Takes back this many bytes at the end of the text so far: they turned out to be the model's thinking.
    Withdrawn(usize),
    /// A tool call, with all its arguments.
    ToolCall(ToolCall),
    /// Usage so far; takes the place of what was reported before.
    Usage(Usage),
    /// The answer ended. At most a usage report follows.
    Finished(Finish),
}

/// Removes the last `bytes` bytes of the text, as [`ChatEvent::Withdrawn`] asks; never cuts a character in two.
pub fn withdraw(words: &mut String, bytes: usize) {
    let mut left = words.len().saturating_sub(bytes);
    while !words.is_char_boundary(left) {
        left -= 1;
    }
    words.truncate(left);
}

#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    pub text: String,
    /// Tools that the model calls.
    pub calls: Vec<ToolCall>,
    pub usage: Usage,
    pub finish: Finish,
}

/// Why a model does not answer. The texts are for logs and hold nothing of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmFailure {
    #[error("no credentials for {0}: set VOXLEDGER_{name}_API_KEY, or an account of kind llm", name = .0.as_str().to_uppercase())]
    NotConfigured(Provider),
    /// The provider refuses the credentials.
    #[error("the provider does not take the credentials")]
    Credentials,
    /// The credit or quota of the account is used up.
    #[error("the account with the provider is used up ({0})")]
    Billing(String),
    /// The provider refuses the request itself.
    #[error("the provider does not take the request ({0})")]
    BadRequest(String),
    #[error("the provider does not know the model")]
    UnknownModel,
    /// The conversation is longer than the model's context.
    #[error("what was said is longer than the model takes")]
    TooLong,
    #[error("too many requests")]
    RateLimited {
        /// Wait that the provider asks for, if it does.
        retry_after: Option<Duration>,
    },
    /// The provider is too busy, or broken.
    #[error("the provider is overloaded ({0})")]
    Overloaded(String),
    /// There is no connection, or it broke.
    #[error("the provider cannot be reached ({0})")]
    Transport(String),
    #[error("the provider did not answer in time ({0})")]
    TimedOut(&'static str),
    /// The answer does not follow the protocol.
    #[error("the provider's answer makes no sense ({0})")]
    Protocol(String),
    /// The circuit breaker is open after repeated failures.
    #[error("the provider is left alone after repeated failures")]
    CircuitOpen,
}

impl LlmFailure {
    /// The failure as events and views record it.
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
            LlmFailure::Overloaded(_) | LlmFailure::Transport(_) | LlmFailure::CircuitOpen => {
                TurnFault::Unavailable
            }
            LlmFailure::TimedOut(_) => TurnFault::TimedOut,
            LlmFailure::Protocol(_) => TurnFault::Protocol,
        }
    }

    /// Whether the provider itself is at fault rather than the request or the account; such failures
    /// open its circuit breaker.
    #[must_use]
    pub fn is_sickness(&self) -> bool {
        matches!(self, Self::Overloaded(_) | Self::Transport(_) | Self::TimedOut(_) | Self::Protocol(_))
    }
}

/// An answer as it arrives, piece by piece.
#[async_trait]
pub trait ChatEvents: Send {
    /// The next piece; `None` after the end. A failure is the last piece. Dropping the stream stops the model.
    async fn next(&mut self) -> Option<Result<ChatEvent, LlmFailure>>;
}

/// One provider. Each call makes one attempt, apart from repeats that are safe.
///
/// An answer that does not say how it ended is a failure, however much of it came. A tool call is only reported
/// whole. Everything takes bounded time and memory.
#[async_trait]
pub trait ChatProvider: fmt::Debug + Send + Sync {
    /// Begins an answer that is streamed.
    async fn stream(&self, model: &str, request: &ChatRequest) -> Result<Box<dyn ChatEvents>, LlmFailure>;

    /// Waits for the whole answer.
    async fn complete(&self, model: &str, request: &ChatRequest) -> Result<Completion, LlmFailure>;

    /// The models it serves just now.
    async fn models(&self) -> Result<Vec<String>, LlmFailure>;
}

/// None of the models answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Why the last model did not answer.
    pub failure: LlmFailure,
    /// The models that were asked, and why each did not answer.
    pub passed_over: Vec<PassedOver>,
}

/// An answer that has begun: its first piece is there.
pub struct Answering {
    /// The model that answers.
    pub by: ModelRef,
    /// Models that were asked before and did not answer.
    pub passed_over: Vec<PassedOver>,
    /// The pieces, the first one included.
    pub events: Box<dyn ChatEvents>,
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").field("by", &self.by).finish_non_exhaustive()
    }
}

/// State of a model's circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerWord {
    /// Requests are sent as usual.
    Closed,
    /// Requests are held back after failures.
    Open,
    /// One request is let through and decides.
    HalfOpen,
}

impl BreakerWord {
    pub const ALL: [BreakerWord; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Name on the wire, for example `half_open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Health of one model of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatus {
    pub model: String,
    /// Context window in tokens, input and output together; `None` if unknown.
    pub context: Option<u64>,
    pub breaker: BreakerWord,
    /// Why the model last did not answer.
    pub last_error: Option<TurnFault>,
}

/// Health of a provider for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderStatus {
    pub provider: Provider,
    /// Whether there are credentials for the provider.
    pub configured: bool,
    /// Whether the credentials are the client's own.
    pub own: bool,
    /// The model that is used when a request names none.
    pub default_model: Option<String>,
    pub models: Vec<ModelStatus>,
    /// Retired names of models, each with its replacement.
    pub replaced: Vec<(String, String)>,
}

/// All providers, with fallback from one model to the next.
#[async_trait]
pub trait LanguageModels: fmt::Debug + Send + Sync {
    /// Begins an answer by the first of `models` that gives one. Once a piece is there, no other model takes over.
    async fn stream(
        &self,
        client: ClientId,
        models: &[ModelRef],
        request: &ChatRequest,
    ) -> Result<Answering, Unanswered>;

    /// The whole answer of the first of `models` that gives one, and which model that was.
    async fn complete(
        &self,
        client: ClientId,
        models: &[ModelRef],
        request: &ChatRequest,
    ) -> Result<(ModelRef, Completion), Unanswered>;

    /// The models that are used when a request names none: of the client's own provider, or of
    /// the first one configured.
    async fn default_models(&self, client: ClientId) -> Vec<ModelRef>;

    /// Health of every provider for a client.
    async fn statuses(&self, client: ClientId) -> Vec<ProviderStatus>;
}
