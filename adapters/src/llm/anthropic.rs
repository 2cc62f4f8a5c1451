//! Requests to and answers of Anthropic's Messages API, whole or as server-sent events.

use std::collections::BTreeMap;

use domain::conversation::Finish;
use domain::envelope::Time;
use domain::model::Provider;
use domain::ports::llm::{ChatMessage, ChatRequest, LlmFailure};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::body::Chunk;
use super::calls::Call;
use super::dialect::{
    Counted, Decoder, Dialect, Piece, SILENCE, Written, arguments, bytes_of, count, cut_off, text_in, told,
    word,
};
use super::waits;

/// Default limit of an answer in tokens: the API requires one.
const MAX_TOKENS: u32 = 1_024;

/// The dialect of Anthropic's Messages API.
#[derive(Debug, Clone, Copy)]
pub struct Anthropic;

/// Replaces characters that Anthropic does not allow in call ids; other providers' ids may contain them.
fn call_id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' }).collect()
}

fn blocks(message: ChatMessage) -> (&'static str, Vec<Value>) {
    match message {
        ChatMessage::User(text) => ("user", vec![json!({"type": "text", "text": text})]),
        ChatMessage::Assistant { text, calls, .. } => {
            let text = (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}));
            let calls = calls.iter().map(|call| {
                json!({"type": "tool_use", "id": call_id(&call.id), "name": call.name, "input": arguments(call)})
            });
            ("assistant", text.into_iter().chain(calls).collect())
        }
        ChatMessage::Tool { call_id: id, content, failed, .. } => {
            let block = json!({
                "type": "tool_result", "tool_use_id": call_id(&id), "content": content, "is_error": failed,
            });
            ("user", vec![block])
        }
    }
}

impl Dialect for Anthropic {
    fn write(&self, model: &str, request: &ChatRequest, stream: bool) -> Written {
        let mut messages: Vec<(&'static str, Vec<Value>)> = Vec::new();
        for message in told(request, Provider::Anthropic, model, false) {
            let (role, blocks) = blocks(message);
            if messages.is_empty() && role == "assistant" {
                messages.push(("user", vec![json!({"type": "text", "text": SILENCE})]));
            }
            match messages.last_mut() {
                // tool results come first in the next user message
                Some((last, before)) if *last == role => before.extend(blocks),
                _ if blocks.is_empty() => {}
                _ => messages.push((role, blocks)),
            }
        }
        let messages: Vec<Value> =
            messages.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
        let most = request.max_tokens.unwrap_or(MAX_TOKENS);
        let mut body = json!({"model": model, "max_tokens": most, "messages": messages});
        if stream {
            body["stream"] = true.into();
        }
        if let Some(system) = &request.system {
            body["system"] = system.as_str().into();
        }
        if let Some(temperature) = request.temperature {
            body["temperature"] = temperature.min(1.0).into();
        }
        if !request.tools.is_empty() {
            let tool = |tool: &domain::ports::llm::ToolSpec| json!({"name": tool.name, "description": tool.description, "input_schema": schema(&tool.parameters)});
            body["tools"] = request.tools.iter().map(tool).collect();
        }
        Written { path: "/messages".to_owned(), body }
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        vec![("x-api-key", key.to_owned()), ("anthropic-version", "2023-06-01".to_owned())]
    }

    fn decoder(&self, _: &ChatRequest) -> Box<dyn Decoder> {
        Box::new(Blocks::default())
    }

    fn failure(&self, status: u16, headers: &HeaderMap, body: &[u8], now: Time) -> LlmFailure {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match failure(Some(status), &body["error"]) {
            LlmFailure::RateLimited { .. } => {
                LlmFailure::RateLimited { retry_after: waits::of_headers(headers, now) }
            }
            other => other,
        }
    }

    fn models_path(&self) -> &'static str {
        "/models"
    }

    fn models(&self, body: &Value) -> Vec<String> {
        let names = body["data"].as_array().into_iter().flatten();
        names.filter_map(|model| model["id"].as_str().map(str::to_owned)).collect()
    }
}

/// A JSON schema with `type: object`, which the API requires.
fn schema(parameters: &Value) -> Value {
    let mut schema = parameters.clone();
    if let Some(object) = schema.as_object_mut() {
        object.entry("type").or_insert_with(|| "object".into());
    }
    schema
}

fn finish(reason: &str) -> Finish {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "refusal" => Finish::Refused,
        _ => Finish::Stop,
    }
}

/// Anthropic counts cached input tokens separately; this adds them to the input.
fn usage(value: &Value) -> Counted {
    let cached = ["cache_read_input_tokens", "cache_creation_input_tokens"]
        .iter()
        .filter_map(|name| count(&value[name]));
    let counted = Counted::of(value, &["input_tokens"], &["output_tokens"]);
    let cached: u64 = cached.sum();
    let input = counted.input.or((cached > 0).then_some(0));
    Counted { input: input.map(|input| input.saturating_add(cached)), ..counted }
}

fn failure(status: Option<u16>, error: &Value) -> LlmFailure {
    let kind = word(&error["type"]).unwrap_or_else(|| format!("status {}", status.unwrap_or_default()));
    let message = error["message"].as_str().unwrap_or_default();
    match (kind.as_str(), status) {
        ("authentication_error" | "permission_error", _) | (_, Some(401 | 403)) => LlmFailure::Credentials,
        ("billing_error", _) | (_, Some(402)) => LlmFailure::Billing(kind),
        ("not_found_error", _) | (_, Some(404)) => LlmFailure::UnknownModel,
        ("request_too_large", _) | (_, Some(413)) => LlmFailure::TooLong,
        ("rate_limit_error", _) | (_, Some(429)) => LlmFailure::RateLimited { retry_after: None },
        ("invalid_request_error", _) if message.contains("prompt is too long") => LlmFailure::TooLong,
        ("invalid_request_error", _) if message.contains("credit balance") => LlmFailure::Billing(kind),
        ("api_error" | "overloaded_error" | "timeout_error", _) => LlmFailure::Overloaded(kind),
        (_, Some(status)) if status >= 500 || matches!(status, 408 | 409) => LlmFailure::Overloaded(kind),
        (_, Some(_)) => LlmFailure::BadRequest(kind),
        (_, None) => LlmFailure::Overloaded(kind),
    }
}

/// A tool call that is still being streamed.
#[derive(Debug, Default)]
struct Open {
    call: Call,
    /// Arguments that came whole, with the beginning of the call.
    input: Value,
}

impl Open {
    fn closed(self) -> Call {
        let Self { mut call, input } = self;
        if call.arguments.trim().is_empty() && !input.is_null() {
            call.arguments = input.as_str().map_or_else(|| input.to_string(), str::to_owned);
        }
        call
    }
}

/// Decodes streamed events, and whole messages.
#[derive(Debug, Default)]
struct Blocks {
    open: BTreeMap<u64, Open>,
    calls: Vec<Call>,
    reason: Option<Finish>,
    stopped: bool,
}

impl Blocks {
    fn block(&mut self, index: u64, block: &Value, out: &mut Vec<Piece>) {
        match block["type"].as_str() {
            Some("tool_use") => {
                let text = |name: &str| block[name].as_str().unwrap_or_default().trim().to_owned();
                let call = Call { id: text("id"), index: Some(index), name: text("name"), ..Call::default() };
                if let Some(before) = self.open.insert(index, Open { call, input: block["input"].clone() }) {
                    self.calls.push(before.closed());
                }
            }
            Some("text") | None => text_in(&block["text"], out),
            Some("thinking") => out.push(Piece::Thought(bytes_of(&block["thinking"]))),
            _ => {}
        }
    }

    fn delta(&mut self, index: Option<u64>, delta: &Value, out: &mut Vec<Piece>) {
        match delta["type"].as_str() {
            Some("text_delta") | None => text_in(&delta["text"], out),
            Some("thinking_delta") => out.push(Piece::Thought(bytes_of(&delta["thinking"]))),
            Some("input_json_delta") => {
                let more = delta["partial_json"].as_str().unwrap_or_default();
                let last = self.open.keys().next_back().copied();
                if let Some(open) = index.or(last).and_then(|index| self.open.get_mut(&index)) {
                    open.call.arguments.push_str(more);
                }
            }
            _ => {}
        }
    }

    fn stop(&mut self, reason: &Value) {
        self.reason = reason.as_str().filter(|reason| !reason.is_empty()).map(finish).or(self.reason);
    }
}

impl Decoder for Blocks {
    fn take(&mut self, chunk: &Chunk, out: &mut Vec<Piece>) -> Result<(), LlmFailure> {
        let value = &chunk.value;
        let index = count(&value["index"]);
        let error = value.get("error").filter(|error| error.is_object() || error.is_string());
        match value["type"].as_str().or(chunk.name.as_deref()).unwrap_or_default() {
            "error" if !self.is_finished() => return Err(failure(None, error.unwrap_or(value))),
            _ if error.is_some() && !self.is_finished() => return Err(failure(None, &value["error"])),
            "message" => {
                let blocks = value["content"].as_array().into_iter().flatten();
                (0..).zip(blocks).for_each(|(index, block)| self.block(index, block, out));
                if value["content"].is_string() {
                    text_in(&value["content"], out);
                }
                out.push(Piece::Usage(usage(&value["usage"])));
                self.stop(&value["stop_reason"]);
                self.stopped = true;
            }
            "message_start" => out.push(Piece::Usage(usage(&value["message"]["usage"]))),
            "content_block_start" => {
                let next = self.open.keys().next_back().map_or(0, |last| last + 1);
                self.block(index.unwrap_or(next), &value["content_block"], out);
            }
            "content_block_delta" => self.delta(index, &value["delta"], out),
            "content_block_stop" => {
                let last = self.open.keys().next_back().copied();
                let open = index.or(last).and_then(|index| self.open.remove(&index));
                self.calls.extend(open.map(Open::closed));
            }
            "message_delta" => {
                out.push(Piece::Usage(usage(&value["usage"])));
                self.stop(&value["delta"]["stop_reason"]);
            }
            "message_stop" => self.stopped = true,
            _ => {}
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.reason.is_some() || self.stopped
    }

    fn is_calling(&self) -> bool {
        !self.open.is_empty() || !self.calls.is_empty()
    }

    fn end(&mut self, done: bool, out: &mut Vec<Piece>) -> Result<Finish, LlmFailure> {
        if !(self.is_finished() || done) {
            return Err(cut_off());
        }
        self.calls.extend(std::mem::take(&mut self.open).into_values().map(Open::closed));
        out.extend(self.calls.drain(..).map(Piece::Call));
        Ok(self.reason.unwrap_or(Finish::Stop))
    }
}
