//! The view of messages.

use domain::aggregate::Aggregate;
use domain::conversation::{
    Conversation, ConversationEvent, Finish, MessageKind, MessageRole, ToolOutcome, TurnCompleted,
};
use domain::envelope::{Position, Recorded, Time};
use domain::ids::{ClientId, ConversationId, MessageId};
use domain::knowledge::Grounds;
use domain::model::{ModelRef, Provider, Usage};
use domain::personal::Personal;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::passages::RetrievedView;
use crate::numbers::knows;
use crate::said::Place;
use crate::view::{At, Row, View};

/// A tool call of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ToolCall)]
pub struct ToolCallView {
    /// The model's own id of this tool call.
    pub id: String,
    /// Name of the called tool.
    pub name: String,
    /// Arguments as JSON, exactly as the model wrote them; `[erased]` once erased.
    #[schema(required)]
    pub arguments: Option<String>,
}

/// A message of a conversation. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    /// Id of the message: TypeID `msg_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "msg_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: MessageId,
    /// Number of the message in the conversation, from 1.
    pub seq: u32,
    /// Author of the message: `user`, `assistant`, `system` or `tool`.
    #[schema(value_type = crate::words::MessageRole)]
    pub role: MessageRole,
    /// Form of the message: `text` or `dtmf` (keys that were pressed).
    #[schema(value_type = crate::words::MessageKind)]
    pub kind: MessageKind,
    /// Text of the message; `[erased]` once erased.
    #[schema(required)]
    pub content: Option<String>,
    /// Tokens that the model read for it.
    #[schema(required)]
    pub tokens_input: Option<u64>,
    /// Tokens that the model wrote for it.
    #[schema(required)]
    pub tokens_output: Option<u64>,
    /// Whether a number of tokens is estimated, because the provider left it out.
    #[serde(default)]
    pub tokens_estimated: bool,
    /// Provider of the model that wrote the message.
    #[schema(value_type = Option<crate::words::LlmProvider>, required)]
    pub provider: Option<Provider>,
    /// Name of the model that wrote the message.
    #[schema(required)]
    pub model: Option<String>,
    /// Milliseconds from the question to the end of the answer, or that a tool took.
    #[schema(required)]
    pub latency_ms: Option<u64>,
    /// Milliseconds from the question to the first words of the answer.
    #[schema(required)]
    pub first_token_ms: Option<u64>,
    /// Why the answer ended: `stop`, `length`, `refused` or `tool_rounds`.
    #[schema(value_type = Option<crate::words::FinishReason>, required)]
    pub finish_reason: Option<Finish>,
    /// Tool calls that the model made with the message.
    pub tool_calls: Vec<ToolCallView>,
    /// For a tool's result: id of the tool call it answers.
    #[schema(required)]
    pub tool_call_id: Option<String>,
    /// For a tool's result: name of the tool.
    #[schema(required)]
    pub tool_name: Option<String>,
    /// For a tool's result: `succeeded`, `failed`, `timed_out` or `refused`.
    #[schema(value_type = Option<crate::words::ToolOutcome>, required)]
    pub tool_outcome: Option<ToolOutcome>,
    /// What was looked up in knowledge bases for it; `null` where nothing was.
    #[serde(default)]
    #[schema(required)]
    pub retrieved: Option<RetrievedView>,
    /// Sentiment from -1 (very bad) to 1 (very good); `null` when it was not scored.
    #[schema(required)]
    pub sentiment: Option<f64>,
    /// When the message was said or written.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
}

impl MessageView {
    fn new(id: MessageId, seq: u32, role: MessageRole, content: Personal<String>, at: Time) -> Self {
        Self {
            id,
            seq,
            role,
            kind: MessageKind::Text,
            content: content.shown(String::clone),
            tokens_input: None,
            tokens_output: None,
            tokens_estimated: false,
            provider: None,
            model: None,
            latency_ms: None,
            first_token_ms: None,
            finish_reason: None,
            tool_calls: vec![],
            tool_call_id: None,
            tool_name: None,
            tool_outcome: None,
            retrieved: None,
            sentiment: None,
            created_at: at,
        }
    }

    fn said_by(self, by: ModelRef, usage: Usage, latency_ms: u64) -> Self {
        Self {
            provider: Some(by.provider),
            model: Some(by.model),
            tokens_input: Some(usage.input),
            tokens_output: Some(usage.output),
            tokens_estimated: usage.estimated,
            latency_ms: Some(latency_ms),
            ..self
        }
    }
}

impl From<TurnCompleted> for MessageView {
    fn from(fact: TurnCompleted) -> Self {
        let said = Self::new(fact.id, fact.seq, MessageRole::Assistant, fact.content, fact.at);
        Self {
            first_token_ms: fact.first_token_ms,
            finish_reason: Some(fact.finish),
            retrieved: fact.retrieved.map(Into::into),
            ..said.said_by(fact.by, fact.usage, fact.latency_ms)
        }
    }
}

/// What a message is to somebody who looks for unanswered questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessagePart {
    /// A person said it.
    Question,
    /// An answer for which nothing was found in the knowledge bases.
    Unanswered,
    Other,
}

impl MessagePart {
    /// Name in the table of messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Unanswered => "unanswered",
            Self::Other => "",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct MessageRow {
    pub conversation: ConversationId,
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// Place of the message in the order it was said.
    pub place: Place,
    pub view: MessageView,
}

impl MessageRow {
    /// What it is to somebody who looks for unanswered questions.
    #[must_use]
    pub fn part(&self) -> MessagePart {
        let retrieved = self.view.retrieved.as_ref();
        match self.view.role {
            MessageRole::User => MessagePart::Question,
            MessageRole::Assistant if retrieved.is_some_and(|found| found.grounds == Grounds::Nothing) => {
                MessagePart::Unanswered
            }
            _ => MessagePart::Other,
        }
    }
}

/// A question for which nothing was found in the knowledge bases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UnansweredQuestion)]
pub struct UnansweredView {
    /// Id of the answer: TypeID `msg_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub message_id: MessageId,
    /// Id of the conversation: TypeID `conv_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub conversation_id: ConversationId,
    /// What was asked; `[erased]` once erased, `null` where nobody had asked.
    #[schema(required)]
    pub question: Option<String>,
    /// What was answered all the same; `[erased]` once erased.
    #[schema(required)]
    pub answer: Option<String>,
    /// Whether only words were searched for, because the question could not be embedded in time.
    pub words_only: bool,
    /// When it was answered.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
}

impl UnansweredView {
    /// The question that was asked last before an answer.
    #[must_use]
    pub fn of(conversation: ConversationId, answer: MessageView, question: Option<MessageView>) -> Self {
        Self {
            message_id: answer.id,
            conversation_id: conversation,
            question: question.and_then(|question| question.content),
            words_only: answer.retrieved.is_some_and(|retrieved| retrieved.words_only),
            answer: answer.content,
            at: answer.created_at,
        }
    }
}

impl Row for MessageRow {
    type Key = (Uuid, u32);

    fn key(&self) -> (Uuid, u32) {
        (self.conversation.0, self.view.seq)
    }
}

/// What an event means to a message.
#[derive(Debug)]
pub enum MessageFact {
    /// It was added. The number is that of the message it stands before, when it arrived late.
    Said(Option<u32>, Box<MessageView>),
    /// Its sentiment was scored, in thousandths.
    Judged(i16),
}

/// The view of messages: one row a message.
#[derive(Debug)]
pub struct Messages;

impl View for Messages {
    const NAME: &'static str = "messages";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[
        "conversation.message_added",
        "conversation.tools_called",
        "conversation.function_executed",
        "conversation.turn_completed",
    ]);
    type Row = MessageRow;
    type Fact = MessageFact;

    fn read(event: &Recorded) -> Result<Option<((Uuid, u32), MessageFact)>, DecodeError> {
        if event.stream.category() != Conversation::CATEGORY || !knows::<ConversationEvent>(&event.event_type)
        {
            return Ok(None);
        }
        let fact = ConversationEvent::decode(&event.event_type, event.schema, &event.payload)?;
        let said = |view: MessageView| (view.seq, MessageFact::Said(None, Box::new(view)));
        let (seq, fact) = match fact {
            ConversationEvent::MessageAdded(fact) => {
                let view = MessageView::new(fact.id, fact.seq, fact.role, fact.content, fact.at);
                (fact.seq, MessageFact::Said(fact.place, Box::new(MessageView { kind: fact.kind, ..view })))
            }
            ConversationEvent::ToolsCalled(fact) => {
                let view = MessageView::new(fact.id, fact.seq, MessageRole::Assistant, fact.content, fact.at);
                let call = |call: domain::conversation::CalledTool| {
                    let arguments = call.arguments.shown(String::clone);
                    ToolCallView { id: call.id, name: call.name, arguments }
                };
                let tool_calls = fact.calls.into_iter().map(call).collect();
                said(MessageView { tool_calls, ..view.said_by(fact.by, fact.usage, fact.latency_ms) })
            }
            ConversationEvent::FunctionExecuted(fact) => {
                let view = MessageView::new(fact.id, fact.seq, MessageRole::Tool, fact.content, fact.at);
                said(MessageView {
                    tool_call_id: Some(fact.call_id),
                    tool_name: Some(fact.name),
                    tool_outcome: Some(fact.outcome),
                    latency_ms: Some(fact.latency_ms),
                    ..view
                })
            }
            ConversationEvent::TurnCompleted(fact) => said(fact.into()),
            ConversationEvent::SentimentJudged(fact) => (fact.seq, MessageFact::Judged(fact.score_permille)),
            _ => return Ok(None),
        };
        Ok(Some(((event.stream.id(), seq), fact)))
    }

    fn apply(row: &mut Option<MessageRow>, at: &At, fact: MessageFact) {
        match fact {
            MessageFact::Said(before, view) => {
                let (conversation, client) = (ConversationId(at.id), at.client);
                let place = Place::of(view.seq, before, view.created_at);
                *row = Some(MessageRow { conversation, client, position: at.position, place, view: *view });
            }
            MessageFact::Judged(score_permille) => {
                if let Some(row) = row {
                    row.position = at.position;
                    row.view.sentiment = Some(f64::from(score_permille) / 1_000.0);
                }
            }
        }
    }
}
