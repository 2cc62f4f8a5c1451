//! What differs from provider to provider: how a request is written and an answer is read.

use std::fmt;

use domain::conversation::Finish;
use domain::model::{ModelRef, Provider, Usage};
use domain::ports::llm::{ChatEvent, ChatMessage, ChatRequest, Completion, LlmFailure, ToolCall};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use super::sse::SseEvent;

/// A request, written.
#[derive(Debug)]
pub struct Written {
    /// Behind the base of the API.
    pub path: String,
    /// The body.
    pub body: Value,
}

/// How one family of providers is spoken to.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// Writes a request.
    fn write(&self, model: &str, request: &ChatRequest, stream: bool) -> Written;

    /// The headers that say who we are.
    fn credentials(&self, key: &str) -> Vec<(&'static str, String)>;

    /// Reads a streamed answer.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// When it makes no sense.
    fn completion(&self, body: &Value) -> Result<Completion, LlmFailure>;

    /// What an answer that is none means.
    fn failure(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> LlmFailure;

    /// Where the models are listed.
    fn models_path(&self) -> &'static str;

    /// The models in that list.
    fn models(&self, body: &Value) -> Vec<String>;
}

/// Reads one streamed answer, an event after the other.
pub trait Decoder: Send {
    /// Takes an event and adds what is whole with it.
    ///
    /// # Errors
    /// When the event says that the answer failed, or makes no sense.
    fn take(&mut self, event: &SseEvent, out: &mut Vec<ChatEvent>) -> Result<(), LlmFailure>;

    /// Takes the end of the body.
    ///
    /// # Errors
    /// When the answer did not end before.
    fn end(&mut self) -> Result<(), LlmFailure>;
}

pub(super) fn protocol(reason: impl Into<String>) -> LlmFailure {
    LlmFailure::Protocol(reason.into())
}

pub(super) fn cut_off() -> LlmFailure {
    LlmFailure::Transport("the answer broke off".to_owned())
}

pub(super) fn json(text: &str) -> Result<Value, LlmFailure> {
    serde_json::from_str(text).map_err(|_| protocol("not JSON"))
}

/// A word of the provider's that is short and harmless enough for a log: `insufficient_quota`, ….
pub(super) fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let short: String =
        text.chars().filter(|c| c.is_ascii_alphanumeric() || "_-. ".contains(*c)).take(60).collect();
    (!short.is_empty()).then_some(short)
}

/// The arguments of a call as an object. What is none was answered as such; the model only sees that it said nothing.
pub(super) fn arguments(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments) {
        Ok(value @ Value::Object(_)) => value,
        _ => Value::Object(Map::new()),
    }
}

/// Arguments as the model wrote them; nothing at all is an empty object.
pub(super) fn written(arguments: String) -> String {
    if arguments.trim().is_empty() { "{}".to_owned() } else { arguments }
}

/// The messages as this provider's model is told them. Where calls of tools cannot be told as another model's
/// (`strict`), they are told in words.
pub(super) fn told(request: &ChatRequest, provider: Provider, model: &str, strict: bool) -> Vec<ChatMessage> {
    let own =
        |by: &Option<ModelRef>| by.as_ref().is_some_and(|by| by.provider == provider && by.model == model);
    let mut told: Vec<ChatMessage> = Vec::new();
    let mut foreign: Vec<&str> = Vec::new();
    for message in &request.messages {
        match message {
            ChatMessage::Assistant { text, calls, by } if strict && !calls.is_empty() && !own(by) => {
                foreign.extend(calls.iter().map(|call| call.id.as_str()));
                if !text.is_empty() {
                    told.push(ChatMessage::Assistant { text: text.clone(), calls: vec![], by: None });
                }
            }
            ChatMessage::Tool { call_id, name, content, .. } if foreign.contains(&call_id.as_str()) => {
                let text = format!("[{name} answered: {content}]");
                match told.last_mut() {
                    Some(ChatMessage::User(before)) => {
                        before.push('\n');
                        before.push_str(&text);
                    }
                    _ => told.push(ChatMessage::User(text)),
                }
            }
            ChatMessage::User(text) => match told.last_mut() {
                Some(ChatMessage::User(before)) => {
                    before.push('\n');
                    before.push_str(text);
                }
                _ => told.push(message.clone()),
            },
            _ => told.push(message.clone()),
        }
    }
    told
}

/// What stands for a person who has said nothing yet: on a call the agent greets, and some providers want the person
/// to speak first.
pub(super) const SILENCE: &str = "(The conversation begins.)";

/// A whole answer from its pieces.
pub(super) fn gathered(events: Vec<ChatEvent>) -> Result<Completion, LlmFailure> {
    let (mut text, mut calls, mut usage, mut finish) = (String::new(), vec![], Usage::default(), None);
    for event in events {
        match event {
            ChatEvent::Text(more) => text.push_str(&more),
            ChatEvent::ToolCall(call) => calls.push(call),
            ChatEvent::Usage(so_far) => usage = so_far,
            ChatEvent::Finished(how) => finish = Some(how),
        }
    }
    let finish: Finish = finish.ok_or_else(cut_off)?;
    Ok(Completion { text, calls, usage, finish })
}
