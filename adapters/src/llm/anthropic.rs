//! Anthropic's Messages.

use std::collections::BTreeMap;

use domain::conversation::Finish;
use domain::model::{Provider, Usage};
use domain::ports::llm::{ChatEvent, ChatMessage, ChatRequest, Completion, LlmFailure, ToolCall};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::dialect::{
    Decoder, Dialect, SILENCE, Written, arguments, cut_off, gathered, json as read_json, protocol, told,
    word, written,
};
use super::sse::SseEvent;
use super::waits;

/// The longest answer where nobody says otherwise: the API must be told one.
const MAX_TOKENS: u32 = 1_024;

/// Anthropic's Messages.
#[derive(Debug, Clone, Copy)]
pub struct Anthropic;

/// Ids of calls may only have these characters; other providers' may have others.
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
                // results come first in the person's next message
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

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Blocks::default())
    }

    fn completion(&self, body: &Value) -> Result<Completion, LlmFailure> {
        if body["type"] == "error" {
            return Err(failure(None, &body["error"]));
        }
        let content = body["content"].as_array().ok_or_else(|| protocol("no content"))?;
        let mut out = Vec::new();
        for block in content {
            match block["type"].as_str() {
                Some("text") => {
                    out.extend(block["text"].as_str().map(|text| ChatEvent::Text(text.to_owned())));
                }
                Some("tool_use") => out.push(ChatEvent::ToolCall(ToolCall {
                    id: block["id"].as_str().unwrap_or_default().to_owned(),
                    name: block["name"].as_str().unwrap_or_default().to_owned(),
                    arguments: written(block["input"].to_string()),
                    opaque: None,
                })),
                _ => {}
            }
        }
        out.push(ChatEvent::Usage(usage(&body["usage"], Usage::default())));
        out.push(ChatEvent::Finished(finish(body["stop_reason"].as_str().ok_or_else(cut_off)?)));
        gathered(out)
    }

    fn failure(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> LlmFailure {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match failure(Some(status), &body["error"]) {
            LlmFailure::RateLimited { .. } => {
                LlmFailure::RateLimited { retry_after: waits::of_headers(headers) }
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

/// A schema must say that it is an object's.
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

/// What was read counts without what came from the cache; it was read all the same.
fn usage(value: &Value, before: Usage) -> Usage {
    let count = |name: &str| value[name].as_u64();
    let cached =
        count("cache_read_input_tokens").unwrap_or(0) + count("cache_creation_input_tokens").unwrap_or(0);
    Usage {
        input: count("input_tokens").map_or(before.input, |input| input + cached),
        output: count("output_tokens").unwrap_or(before.output),
    }
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

/// Reads the events of a stream.
#[derive(Debug, Default)]
struct Blocks {
    tools: BTreeMap<u64, (String, String, String)>,
    usage: Usage,
    finish: Option<Finish>,
    stopped: bool,
}

impl Decoder for Blocks {
    fn take(&mut self, event: &SseEvent, out: &mut Vec<ChatEvent>) -> Result<(), LlmFailure> {
        let value = read_json(&event.data)?;
        let index = value["index"].as_u64().unwrap_or_default();
        match value["type"].as_str().or(event.name.as_deref()).unwrap_or_default() {
            "error" => return Err(failure(None, &value["error"])),
            "message_start" => {
                self.usage = usage(&value["message"]["usage"], self.usage);
                out.push(ChatEvent::Usage(self.usage));
            }
            "content_block_start" if value["content_block"]["type"] == "tool_use" => {
                let text = |name: &str| value["content_block"][name].as_str().unwrap_or_default().to_owned();
                self.tools.insert(index, (text("id"), text("name"), String::new()));
            }
            "content_block_delta" => match value["delta"]["type"].as_str() {
                Some("text_delta") => {
                    let text = value["delta"]["text"].as_str().filter(|text| !text.is_empty());
                    out.extend(text.map(|text| ChatEvent::Text(text.to_owned())));
                }
                Some("input_json_delta") => {
                    let more = value["delta"]["partial_json"].as_str().unwrap_or_default();
                    if let Some((_, _, arguments)) = self.tools.get_mut(&index) {
                        arguments.push_str(more);
                    }
                }
                _ => {}
            },
            "content_block_stop" => {
                if let Some((id, name, arguments)) = self.tools.remove(&index) {
                    let arguments = written(arguments);
                    out.push(ChatEvent::ToolCall(ToolCall { id, name, arguments, opaque: None }));
                }
            }
            "message_delta" => {
                self.usage = usage(&value["usage"], self.usage);
                out.push(ChatEvent::Usage(self.usage));
                self.finish = value["delta"]["stop_reason"].as_str().map(finish).or(self.finish);
            }
            "message_stop" => {
                let finish = self.finish.ok_or_else(|| protocol("no stop reason"))?;
                self.stopped = true;
                out.push(ChatEvent::Finished(finish));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), LlmFailure> {
        if self.stopped { Ok(()) } else { Err(cut_off()) }
    }
}
