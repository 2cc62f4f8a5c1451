//! OpenAI's chat protocol: OpenAI itself, Groq, and whoever else speaks it.

use domain::conversation::Finish;
use domain::model::{Provider, Usage};
use domain::ports::llm::{ChatEvent, ChatMessage, ChatRequest, Completion, LlmFailure, ToolCall};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::dialect::{
    Decoder, Dialect, Written, cut_off, gathered, json as read_json, protocol, told, word, written,
};
use super::sse::SseEvent;
use super::waits;

/// Who speaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// OpenAI.
    OpenAi,
    /// Groq.
    Groq,
    /// Somebody else.
    Compatible,
}

impl Family {
    fn provider(self) -> Provider {
        match self {
            Self::OpenAi => Provider::Openai,
            Self::Groq => Provider::Groq,
            Self::Compatible => Provider::OpenaiCompatible,
        }
    }
}

/// Groq's gpt-oss always reasons, and what it reasons counts: with less than this the answer comes back empty.
const LEAST_FOR_REASONING: u32 = 300;

/// OpenAI's chat protocol.
#[derive(Debug, Clone, Copy)]
pub struct OpenAi(pub Family);

/// Models that reason take no temperature.
fn reasons(model: &str) -> bool {
    let o_series = model.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    model.starts_with("gpt-5") || o_series
}

fn message(message: ChatMessage) -> Value {
    match message {
        ChatMessage::User(text) => json!({"role": "user", "content": text}),
        ChatMessage::Assistant { text, calls, .. } if calls.is_empty() => {
            json!({"role": "assistant", "content": text})
        }
        ChatMessage::Assistant { text, calls, .. } => {
            let call = |call: &ToolCall| {
                // some servers refuse a history with broken JSON in it
                let sound = serde_json::from_str::<Value>(&call.arguments).is_ok();
                let arguments = if sound { call.arguments.as_str() } else { "{}" };
                json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
            };
            let content = if text.is_empty() { Value::Null } else { text.into() };
            json!({"role": "assistant", "content": content, "tool_calls": calls.iter().map(call).collect::<Vec<_>>()})
        }
        ChatMessage::Tool { call_id, content, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": content})
        }
    }
}

impl Dialect for OpenAi {
    fn write(&self, model: &str, request: &ChatRequest, stream: bool) -> Written {
        let Self(family) = *self;
        let system = request.system.as_ref().map(|text| json!({"role": "system", "content": text}));
        let rest = told(request, family.provider(), model, false).into_iter().map(message);
        let mut body =
            json!({"model": model, "messages": system.into_iter().chain(rest).collect::<Vec<_>>()});
        if stream {
            body["stream"] = true.into();
            // Groq says it unasked
            if family != Family::Groq {
                body["stream_options"] = json!({"include_usage": true});
            }
        }
        if !request.tools.is_empty() {
            let tool = |tool: &domain::ports::llm::ToolSpec| {
                let (name, description) = (&tool.name, &tool.description);
                let function =
                    json!({"name": name, "description": description, "parameters": tool.parameters});
                json!({"type": "function", "function": function})
            };
            body["tools"] = request.tools.iter().map(tool).collect();
        }
        let groq_reasons = family == Family::Groq && model.starts_with("openai/gpt-oss");
        if groq_reasons {
            body["reasoning_effort"] = "low".into();
            body["include_reasoning"] = false.into();
        }
        if let Some(most) = request.max_tokens {
            let most = if groq_reasons { most.max(LEAST_FOR_REASONING) } else { most };
            // the new name is not known everywhere, the old one not to models that reason
            let name = if family == Family::Compatible { "max_tokens" } else { "max_completion_tokens" };
            body[name] = most.into();
        }
        if let Some(temperature) = request.temperature.filter(|_| family != Family::OpenAi || !reasons(model))
        {
            body["temperature"] = temperature.into();
        }
        Written { path: "/chat/completions".to_owned(), body }
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        // a server of one's own may want none
        if key.is_empty() { vec![] } else { vec![("authorization", format!("Bearer {key}"))] }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Chunks::default())
    }

    fn completion(&self, body: &Value) -> Result<Completion, LlmFailure> {
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            return Err(failure(None, error));
        }
        let choice = body["choices"].get(0).ok_or_else(|| protocol("no choices"))?;
        let (mut chunks, mut out) = (Chunks::default(), Vec::new());
        chunks.delta(&choice["message"], &mut out);
        chunks.finish(choice["finish_reason"].as_str().ok_or_else(cut_off)?, &mut out);
        let mut whole = gathered(out)?;
        whole.usage = usage(&body["usage"]).unwrap_or_default();
        Ok(whole)
    }

    fn failure(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> LlmFailure {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match failure(Some(status), &body["error"]) {
            LlmFailure::RateLimited { retry_after } => {
                LlmFailure::RateLimited { retry_after: waits::of_headers(headers).or(retry_after) }
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

/// Codes of a 429 that no waiting helps against.
const USED_UP: [&str; 5] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
];

/// What an error object means; without a status it came inside a stream.
fn failure(status: Option<u16>, error: &Value) -> LlmFailure {
    let code = word(&error["code"]).unwrap_or_default();
    let kind = word(&error["type"]).unwrap_or_default();
    let name = if code.is_empty() { kind.clone() } else { code.clone() };
    let message = error["message"].as_str().or(error.as_str()).unwrap_or_default();
    let name = if name.is_empty() { format!("status {}", status.unwrap_or_default()) } else { name };
    if USED_UP.contains(&code.as_str()) || USED_UP.contains(&kind.as_str()) {
        return LlmFailure::Billing(name);
    }
    match (status, code.as_str()) {
        (_, "context_length_exceeded" | "string_above_max_length") | (Some(413), _) => LlmFailure::TooLong,
        (_, "model_not_found" | "model_decommissioned") => LlmFailure::UnknownModel,
        (_, "invalid_api_key") | (Some(401 | 403), _) => LlmFailure::Credentials,
        (Some(402), _) => LlmFailure::Billing(name),
        (_, "rate_limit_exceeded") | (Some(429), _) => {
            LlmFailure::RateLimited { retry_after: waits::of_sentence(message) }
        }
        (Some(404), _) => LlmFailure::UnknownModel,
        (Some(400 | 422), _) if message.contains("context length") || message.contains("maximum context") => {
            LlmFailure::TooLong
        }
        (Some(status), _) if status >= 500 || matches!(status, 408 | 409 | 498 | 499 | 424) => {
            LlmFailure::Overloaded(name)
        }
        (Some(_), _) => LlmFailure::BadRequest(name),
        (None, _) => LlmFailure::Overloaded(name),
    }
}

fn usage(value: &Value) -> Option<Usage> {
    let input = value["prompt_tokens"].as_u64()?;
    Some(Usage { input, output: value["completion_tokens"].as_u64().unwrap_or_default() })
}

/// A call of a tool that is being told.
#[derive(Debug, Default)]
struct Part {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

/// Reads chunks.
#[derive(Debug, Default)]
struct Chunks {
    /// The provider's name of the answer.
    answer: String,
    calls: Vec<Part>,
    refused: bool,
    finished: bool,
}

impl Chunks {
    fn delta(&mut self, delta: &Value, out: &mut Vec<ChatEvent>) {
        for field in ["content", "refusal"] {
            if let Some(text) = delta[field].as_str().filter(|text| !text.is_empty()) {
                self.refused |= field == "refusal";
                out.push(ChatEvent::Text(text.to_owned()));
            }
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.call(call);
        }
    }

    /// Fragments belong together by their index; but a new id under a known one begins another call.
    fn call(&mut self, fragment: &Value) {
        let index = fragment["index"].as_u64();
        let id = fragment["id"].as_str().unwrap_or_default();
        let name = fragment["function"]["name"].as_str().unwrap_or_default();
        let known = self.calls.iter().rposition(|part| match index {
            Some(_) => part.index == index,
            None => id.is_empty() || part.id == id,
        });
        let same =
            known.filter(|&at| id.is_empty() || self.calls[at].id.is_empty() || self.calls[at].id == id);
        let at = same.unwrap_or_else(|| {
            self.calls.push(Part { index, ..Part::default() });
            self.calls.len() - 1
        });
        let part = &mut self.calls[at];
        if part.id.is_empty() {
            part.id = id.to_owned();
        }
        if part.name.is_empty() {
            part.name = name.to_owned();
        }
        match &fragment["function"]["arguments"] {
            Value::String(more) => part.arguments.push_str(more),
            // some servers send the object itself
            object @ Value::Object(_) => part.arguments = object.to_string(),
            _ => {}
        }
    }

    fn finish(&mut self, reason: &str, out: &mut Vec<ChatEvent>) {
        for (n, part) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            let id = if part.id.is_empty() { format!("call_{}_{n}", self.answer) } else { part.id };
            let (name, arguments) = (part.name, written(part.arguments));
            out.push(ChatEvent::ToolCall(ToolCall { id, name, arguments, opaque: None }));
        }
        let finish = match reason {
            "length" => Finish::Length,
            "content_filter" => Finish::Refused,
            _ if self.refused => Finish::Refused,
            _ => Finish::Stop,
        };
        self.finished = true;
        out.push(ChatEvent::Finished(finish));
    }
}

impl Decoder for Chunks {
    fn take(&mut self, event: &SseEvent, out: &mut Vec<ChatEvent>) -> Result<(), LlmFailure> {
        if event.data.trim() == "[DONE]" {
            return Ok(());
        }
        let chunk = read_json(&event.data)?;
        let error = chunk.get("error").filter(|error| !error.is_null());
        let error = error.or_else(|| chunk["x_groq"].get("error").filter(|error| !error.is_null()));
        if let Some(error) = error {
            return Err(failure(None, error));
        }
        if event.name.as_deref() == Some("error") {
            return Err(failure(None, &chunk));
        }
        if self.answer.is_empty() {
            self.answer = chunk["id"].as_str().unwrap_or_default().to_owned();
        }
        if let Some(choice) = chunk["choices"].get(0) {
            self.delta(&choice["delta"], out);
            if let Some(reason) = choice["finish_reason"].as_str().filter(|_| !self.finished) {
                self.finish(reason, out);
            }
        }
        let said = usage(&chunk["usage"]).or_else(|| usage(&chunk["x_groq"]["usage"]));
        out.extend(said.map(ChatEvent::Usage));
        Ok(())
    }

    fn end(&mut self) -> Result<(), LlmFailure> {
        if self.finished { Ok(()) } else { Err(cut_off()) }
    }
}
