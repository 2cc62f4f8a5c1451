//! OpenAI's chat completions protocol: OpenAI itself, Groq, and compatible servers.

use domain::conversation::Finish;
use domain::envelope::Time;
use domain::model::Provider;
use domain::ports::llm::{ChatMessage, ChatRequest, LlmFailure, ToolCall};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::body::Chunk;
use super::calls::Parts;
use super::dialect::{
    Counted, Decoder, Dialect, Piece, Written, arguments, bytes_of, cut_off, protocol, text_in, told, word,
};
use super::waits;

/// The servers that speak the protocol, with their differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    OpenAi,
    Groq,
    /// Any other server that speaks the protocol.
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

/// The fewest tokens granted to Groq's gpt-oss models: they always reason, reasoning counts, and with less the
/// answer comes back empty.
const LEAST_FOR_REASONING: u32 = 300;

/// The dialect of OpenAI's chat completions.
#[derive(Debug, Clone, Copy)]
pub struct OpenAi(pub Family);

/// Whether the model reasons, and therefore takes no temperature.
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
                let sound =
                    serde_json::from_str::<Value>(&call.arguments).is_ok_and(|value| value.is_object());
                let arguments = if sound { call.arguments.clone() } else { arguments(call).to_string() };
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
            // Groq sends usage without being asked
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
            // compatible servers may not know the new name, and reasoning models refuse the old one
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
        // a self-hosted server may need no key
        if key.is_empty() { vec![] } else { vec![("authorization", format!("Bearer {key}"))] }
    }

    fn decoder(&self, request: &ChatRequest) -> Box<dyn Decoder> {
        let tools = request.tools.iter().map(|tool| tool.name.clone()).collect();
        Box::new(Chunks { tools, ..Chunks::default() })
    }

    fn failure(&self, status: u16, headers: &HeaderMap, body: &[u8], now: Time) -> LlmFailure {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = body.get("error").filter(is_error).unwrap_or(&body);
        match failure(Some(status), error) {
            LlmFailure::RateLimited { retry_after } => {
                LlmFailure::RateLimited { retry_after: waits::of_headers(headers, now).or(retry_after) }
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

/// Codes of a 429 that waiting does not help against.
const USED_UP: [&str; 5] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
];

/// The failure that an error object stands for; `status` is `None` when it came inside a stream.
fn failure(status: Option<u16>, error: &Value) -> LlmFailure {
    let code = word(&error["code"]).unwrap_or_default();
    let kind = word(&error["type"]).unwrap_or_default();
    let name = if code.is_empty() { kind.clone() } else { code.clone() };
    let message = error["message"].as_str().or(error.as_str()).unwrap_or_default();
    // inside a stream some servers give the status as the code
    let status = status.or_else(|| error["code"].as_u64().and_then(|code| u16::try_from(code).ok()));
    let status = status.filter(|status| (400..600).contains(status));
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

/// Whether the value in an error's place is an error, and not just empty.
fn is_error(error: &&Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// The error in a chunk, from any of the places where servers put it.
fn error_in(chunk: &Chunk) -> Option<&Value> {
    let value = &chunk.value;
    let places = [value.get("error"), value["x_groq"].get("error"), value["choices"][0].get("error")];
    if let Some(error) = places.into_iter().flatten().find(is_error) {
        return Some(error);
    }
    let named =
        chunk.name.as_deref() == Some("error") || value["object"] == "error" || value["type"] == "error";
    let bare = value.get("choices").is_none()
        && value.get("usage").is_none()
        && ["message", "detail", "errors", "code"]
            .iter()
            .any(|name| value.get(name).is_some_and(|said| is_error(&said)));
    (named || bare).then_some(value)
}

fn usage(value: &Value) -> Counted {
    Counted::of(value, &["prompt_tokens", "input_tokens"], &["completion_tokens", "output_tokens"])
}

/// Decodes chunks, and whole answers, which are chunks with everything in them.
#[derive(Debug, Default)]
struct Chunks {
    tools: Vec<String>,
    calls: Parts,
    /// The call in the field that came before `tool_calls`.
    old_call: Parts,
    /// Whether text, thoughts or calls were received.
    told: bool,
    refused: bool,
    reason: Option<String>,
    /// A chunk was a whole answer or gave the final usage, so no more follows.
    closed: bool,
    /// The last chunk gave an empty finish reason, while earlier ones gave none.
    blank: bool,
    open: bool,
}

impl Chunks {
    fn delta(&mut self, delta: &Value, out: &mut Vec<Piece>) {
        let before = out.len();
        text_in(&delta["content"], out);
        // the first field that holds any: some servers send the same thoughts under two names
        let thoughts =
            ["reasoning_content", "reasoning", "thinking"].iter().map(|name| bytes_of(&delta[name]));
        out.extend(thoughts.max().filter(|&bytes| bytes > 0).map(Piece::Thought));
        let parts = delta["content"].as_array().into_iter().flatten();
        self.refused |= delta["refusal"].as_str().is_some_and(|text| !text.is_empty())
            || parts.into_iter().any(|part| part["type"] == "refusal");
        let tools = &self.tools;
        let known = |name: &str| tools.iter().any(|tool| tool == name);
        match &delta["tool_calls"] {
            Value::Array(calls) => calls.iter().for_each(|call| self.calls.fragment(call, &known)),
            call @ Value::Object(_) => self.calls.fragment(call, &known),
            _ => {}
        }
        if let call @ Value::Object(_) = &delta["function_call"] {
            self.old_call.fragment(call, &known);
        }
        self.told |= out.len() > before || self.is_calling() || self.refused;
    }

    fn choice(&mut self, choice: &Value, whole: bool, out: &mut Vec<Piece>) -> Result<(), LlmFailure> {
        match (choice.get("delta"), choice.get("message"), choice["text"].as_str()) {
            (Some(delta @ Value::Object(_)), _, _) => self.delta(delta, out),
            // some servers end a stream with a chunk that repeats everything
            (_, Some(message @ Value::Object(_)), _) if !self.told => {
                self.delta(message, out);
                self.closed |= whole && self.told;
            }
            (_, None, Some(text)) if !text.is_empty() => {
                self.told = true;
                out.push(Piece::Text(text.to_owned()));
            }
            _ => {}
        }
        let reason = choice["finish_reason"].as_str();
        self.open |= reason.is_none();
        self.blank = reason.is_some_and(|reason| reason.trim().is_empty());
        if let Some(reason) = reason.map(str::trim).filter(|reason| !reason.is_empty()) {
            let lower = reason.to_ascii_lowercase();
            if lower.contains("malformed") {
                return Err(protocol("a malformed call of a tool"));
            }
            if FAILED.contains(&lower.as_str()) {
                return Err(LlmFailure::Overloaded(word(&choice["finish_reason"]).unwrap_or_default()));
            }
            self.reason.get_or_insert(lower);
        }
        Ok(())
    }
}

/// Finish reasons of an answer that failed before its end.
const FAILED: [&str; 8] = [
    "error",
    "abort",
    "aborted",
    "cancelled",
    "canceled",
    "failed",
    "network_error",
    "insufficient_system_resource",
];

impl Decoder for Chunks {
    fn take(&mut self, chunk: &Chunk, out: &mut Vec<Piece>) -> Result<(), LlmFailure> {
        // a complete answer counts, whatever goes wrong behind it
        if let Some(error) = error_in(chunk).filter(|_| !self.is_finished()) {
            return Err(failure(None, error));
        }
        let value = &chunk.value;
        let choices = value["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        let first = choices.iter().find(|choice| choice["index"].as_u64().unwrap_or_default() == 0);
        if let Some(choice) = first {
            self.choice(choice, value["object"] != "chat.completion.chunk", out)?;
        }
        let counts = [
            &value["usage"],
            &value["x_groq"]["usage"],
            first.map_or(&Value::Null, |choice| &choice["usage"]),
        ];
        let counted = counts.into_iter().map(usage).find(|counted| *counted != Counted::default());
        if let Some(counted) = counted {
            self.closed |= choices.is_empty() && self.told;
            out.push(Piece::Usage(counted));
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.reason.is_some() || self.closed
    }

    fn is_calling(&self) -> bool {
        !self.calls.is_empty() || !self.old_call.is_empty()
    }

    fn end(&mut self, done: bool, out: &mut Vec<Piece>) -> Result<Finish, LlmFailure> {
        let complete =
            [&self.calls, &self.old_call].into_iter().all(|calls| calls.is_empty() || calls.are_complete());
        let blank = self.blank && complete && (self.open || self.is_calling());
        if !(self.is_finished() || done || blank) {
            return Err(cut_off());
        }
        let calls = std::mem::take(&mut self.calls).settled();
        let old = std::mem::take(&mut self.old_call).settled();
        out.extend(calls.into_iter().chain(old).map(Piece::Call));
        Ok(match self.reason.as_deref() {
            Some("length" | "max_tokens" | "model_length" | "max_output_tokens") => Finish::Length,
            Some("content_filter" | "safety" | "refusal" | "sensitive") => Finish::Refused,
            _ if self.refused => Finish::Refused,
            _ => Finish::Stop,
        })
    }
}
