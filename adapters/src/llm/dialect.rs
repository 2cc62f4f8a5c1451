//! The differences between providers: how to write a request and decode an answer.

use std::fmt;

use domain::conversation::Finish;
use domain::envelope::Time;
use domain::model::{ModelRef, Provider, Usage};
use domain::ports::llm::{ChatEvent, ChatMessage, ChatRequest, Completion, LlmFailure, ToolCall, withdraw};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::body::Chunk;
use super::calls::Call;

/// A request in a provider's form.
#[derive(Debug)]
pub struct Written {
    /// Path below the base URL of the API.
    pub path: String,
    /// JSON body of the request.
    pub body: Value,
}

/// The protocol of one family of providers.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// Converts a request into the provider's form.
    fn write(&self, model: &str, request: &ChatRequest, stream: bool) -> Written;

    /// HTTP headers that authenticate with the API key.
    fn credentials(&self, key: &str) -> Vec<(&'static str, String)>;

    /// A decoder for the answer to a request, streamed or whole.
    fn decoder(&self, request: &ChatRequest) -> Box<dyn Decoder>;

    /// The failure that an error response received at `now` stands for.
    fn failure(&self, status: u16, headers: &HeaderMap, body: &[u8], now: Time) -> LlmFailure;

    /// Path of the provider's model list.
    fn models_path(&self) -> &'static str;

    /// Names of the models in that list.
    fn models(&self, body: &Value) -> Vec<String>;
}

/// A piece of an answer as the provider sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More text, including thoughts in tags.
    Text(String),
    /// Number of bytes of thoughts, whose text is discarded.
    Thought(usize),
    /// A complete tool call.
    Call(Call),
    /// Token counts so far.
    Usage(Counted),
}

/// Token counts of a provider. A count that it leaves out, or gives as zero, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Tokens of the request, including those read from a cache.
    pub input: Option<u64>,
    /// Tokens of the answer, including thoughts where the provider counts them.
    pub output: Option<u64>,
}

impl Counted {
    /// Reads the counts from the fields with these names.
    pub(super) fn of(usage: &Value, input: &[&str], output: &[&str]) -> Self {
        let one =
            |names: &[&str]| names.iter().find_map(|name| count(&usage[name])).filter(|&count| count > 0);
        Self { input: one(input), output: one(output) }
    }

    /// Merges with newer counts, which take precedence.
    pub(super) fn then(self, newer: Self) -> Self {
        Self { input: newer.input.or(self.input), output: newer.output.or(self.output) }
    }
}

/// Parses a number of tokens; some servers write it as a fraction.
pub(super) fn count(value: &Value) -> Option<u64> {
    let fraction = || value.as_f64().filter(|count| (0.0..1e12).contains(count)).map(|count| count as u64);
    value.as_u64().or_else(fraction)
}

/// Decodes one answer, chunk by chunk.
pub trait Decoder: Send {
    /// Takes a chunk and adds the pieces that are complete with it. Fails when the chunk reports
    /// that the answer failed.
    fn take(&mut self, chunk: &Chunk, out: &mut Vec<Piece>) -> Result<(), LlmFailure>;

    /// Whether the finish reason was received.
    fn is_finished(&self) -> bool;

    /// Whether a tool call is being received.
    fn is_calling(&self) -> bool {
        false
    }

    /// Takes the end of the body; `done` says that the protocol's end marker came before it. Fails when
    /// the answer is incomplete.
    fn end(&mut self, done: bool, out: &mut Vec<Piece>) -> Result<Finish, LlmFailure>;
}

pub(super) fn protocol(reason: impl Into<String>) -> LlmFailure {
    LlmFailure::Protocol(reason.into())
}

pub(super) fn cut_off() -> LlmFailure {
    LlmFailure::Transport("the answer broke off".to_owned())
}

/// A provider's error code or status that is short and harmless enough for a log, for example `insufficient_quota`.
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

/// The arguments of a call as an object, so that the model sees what it wrote. Text that is no object is put into one.
pub(super) fn arguments(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments) {
        Ok(value @ Value::Object(_)) => value,
        Ok(Value::Null) => Value::Object(Map::new()),
        _ => json!({"unreadable": call.arguments}),
    }
}

/// Arguments as the model wrote them; an empty text becomes an empty object.
pub(super) fn written(arguments: String) -> String {
    if matches!(arguments.trim(), "" | "null") { "{}".to_owned() } else { arguments }
}

/// Reads text from whatever form a provider gives it in: a string, or parts with a text each.
pub(super) fn text_in(content: &Value, out: &mut Vec<Piece>) {
    match content {
        Value::String(text) if !text.is_empty() => out.push(Piece::Text(text.clone())),
        Value::Array(parts) => parts.iter().for_each(|part| text_in(part, out)),
        Value::Object(part) => {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
            let value = ["text", "content", "value", kind].iter().find_map(|name| part.get(*name));
            match (kind, value) {
                ("text" | "output_text" | "text_delta", Some(value))
                    if part.get("thought") != Some(&Value::Bool(true)) =>
                {
                    text_in(value, out);
                }
                (_, Some(value)) => out.push(Piece::Thought(bytes_of(value))),
                _ => {}
            }
        }
        _ => {}
    }
}

/// Length of the text in a value of any form, in bytes.
pub(super) fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(parts) => parts.iter().map(bytes_of).sum(),
        Value::Object(part) => part.get("text").map_or(0, bytes_of),
        _ => 0,
    }
}

/// The messages as this provider's model receives them. Tool calls of another model are written as text where the
/// provider does not accept them (`strict`).
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

/// A placeholder for a person who has said nothing yet: on a call the agent greets first, while some providers
/// require the first message to be the person's.
pub(super) const SILENCE: &str = "(The conversation begins.)";

/// A whole answer assembled from its events.
pub(super) fn gathered(events: Vec<ChatEvent>) -> Result<Completion, LlmFailure> {
    let (mut text, mut calls, mut usage, mut finish) = (String::new(), vec![], Usage::default(), None);
    for event in events {
        match event {
            ChatEvent::Text(more) => text.push_str(&more),
            ChatEvent::Withdrawn(bytes) => withdraw(&mut text, bytes),
            ChatEvent::ToolCall(call) => calls.push(call),
            ChatEvent::Usage(so_far) => usage = so_far,
            ChatEvent::Finished(how) => finish = Some(how),
        }
    }
    let finish: Finish = finish.ok_or_else(cut_off)?;
    Ok(Completion { text, calls, usage, finish })
}
