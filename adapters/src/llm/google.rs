//! Google's Gemini API.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::conversation::Finish;
use domain::envelope::Time;
use domain::model::Provider;
use domain::ports::llm::{ChatMessage, ChatRequest, LlmFailure, ToolCall};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::body::Chunk;
use super::calls::Call;
use super::dialect::{
    Counted, Decoder, Dialect, Piece, SILENCE, Written, arguments, bytes_of, count, cut_off, text_in, told,
    word,
};
use super::waits;

/// Prefix of call ids that this program made up; Google gave none and does not receive them.
const MADE: &str = "made-";
/// Keywords of JSON Schema that Gemini's functions do not accept.
const UNKNOWN_KEYWORDS: [&str; 5] = ["$schema", "$id", "$defs", "additionalProperties", "definitions"];

/// The dialect of Google's Gemini API.
#[derive(Debug, Clone, Copy)]
pub struct Google;

fn part_of_call(call: &ToolCall) -> Value {
    let mut function = json!({"name": call.name, "args": arguments(call)});
    if !call.id.starts_with(MADE) {
        function["id"] = call.id.as_str().into();
    }
    let mut part = json!({"functionCall": function});
    if let Some(signature) = &call.opaque {
        part["thoughtSignature"] = signature.as_str().into();
    }
    part
}

fn parts(message: ChatMessage) -> (&'static str, Vec<Value>) {
    match message {
        ChatMessage::User(text) => ("user", vec![json!({"text": text})]),
        ChatMessage::Assistant { text, calls, .. } => {
            let text = (!text.is_empty()).then(|| json!({"text": text}));
            ("model", text.into_iter().chain(calls.iter().map(part_of_call)).collect())
        }
        ChatMessage::Tool { call_id, name, content, failed } => {
            let said = serde_json::from_str::<Value>(&content).unwrap_or_else(|_| content.into());
            let answer = if failed { json!({"error": said}) } else { json!({"output": said}) };
            let mut response = json!({"name": name, "response": answer});
            if !call_id.starts_with(MADE) {
                response["id"] = call_id.into();
            }
            ("user", vec![json!({"functionResponse": response})])
        }
    }
}

fn schema(parameters: &Value) -> Value {
    match parameters {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !UNKNOWN_KEYWORDS.contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), schema(value))).collect()
        }
        Value::Array(items) => items.iter().map(schema).collect(),
        other => other.clone(),
    }
}

/// Request settings that switch thinking off, because it costs time that a caller waits. They changed
/// with the third generation.
fn thinking(model: &str) -> Option<Value> {
    match model {
        model if model.starts_with("gemini-2.5-flash") => Some(json!({"thinkingBudget": 0})),
        model if model.starts_with("gemini-3") => Some(json!({"thinkingLevel": "low"})),
        _ => None,
    }
}

impl Dialect for Google {
    fn write(&self, model: &str, request: &ChatRequest, stream: bool) -> Written {
        let mut contents: Vec<(&'static str, Vec<Value>)> = Vec::new();
        // calls must come back with their signatures, which only the model that made them has
        for message in told(request, Provider::Google, model, true) {
            let (role, parts) = parts(message);
            if contents.is_empty() && role == "model" {
                contents.push(("user", vec![json!({"text": SILENCE})]));
            }
            match contents.last_mut() {
                Some((last, before)) if *last == role => before.extend(parts),
                _ if parts.is_empty() => {}
                _ => contents.push((role, parts)),
            }
        }
        let contents: Vec<Value> =
            contents.into_iter().map(|(role, parts)| json!({"role": role, "parts": parts})).collect();
        let mut body = json!({"contents": contents});
        if let Some(system) = &request.system {
            body["systemInstruction"] = json!({"parts": [{"text": system}]});
        }
        let mut config = json!({});
        if let Some(most) = request.max_tokens {
            config["maxOutputTokens"] = most.into();
        }
        if let Some(temperature) = request.temperature {
            config["temperature"] = temperature.into();
        }
        if let Some(thinking) = thinking(model) {
            config["thinkingConfig"] = thinking;
        }
        body["generationConfig"] = config;
        if !request.tools.is_empty() {
            let tool = |tool: &domain::ports::llm::ToolSpec| json!({"name": tool.name, "description": tool.description, "parameters": schema(&tool.parameters)});
            body["tools"] =
                json!([{"functionDeclarations": request.tools.iter().map(tool).collect::<Vec<_>>()}]);
        }
        let how = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        Written { path: format!("/models/{model}:{how}"), body }
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        vec![("x-goog-api-key", key.to_owned())]
    }

    fn decoder(&self, _: &ChatRequest) -> Box<dyn Decoder> {
        Box::new(Responses::default())
    }

    fn failure(&self, status: u16, headers: &HeaderMap, body: &[u8], now: Time) -> LlmFailure {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        // the error is sometimes in an array of one
        let error = body.get(0).unwrap_or(&body)["error"].clone();
        match failure(Some(status), &error) {
            LlmFailure::RateLimited { retry_after } => LlmFailure::RateLimited {
                retry_after: retry_after.or_else(|| waits::of_headers(headers, now)),
            },
            other => other,
        }
    }

    fn models_path(&self) -> &'static str {
        "/models"
    }

    fn models(&self, body: &Value) -> Vec<String> {
        let names =
            body["models"].as_array().into_iter().flatten().filter_map(|model| model["name"].as_str());
        names.map(|name| name.trim_start_matches("models/").to_owned()).collect()
    }
}

fn failure(status: Option<u16>, error: &Value) -> LlmFailure {
    let name = word(&error["status"]).unwrap_or_else(|| format!("status {}", status.unwrap_or_default()));
    let message = error["message"].as_str().unwrap_or_default();
    let status = status.or_else(|| error["code"].as_u64().and_then(|code| u16::try_from(code).ok()));
    let details = || error["details"].as_array().into_iter().flatten();
    match (name.as_str(), status) {
        ("INVALID_ARGUMENT", _) if message.contains("API key not valid") => LlmFailure::Credentials,
        ("INVALID_ARGUMENT", _) if message.contains("token count") => LlmFailure::TooLong,
        ("UNAUTHENTICATED" | "PERMISSION_DENIED", _) | (_, Some(401 | 403)) => LlmFailure::Credentials,
        (_, Some(402)) => LlmFailure::Billing(name),
        ("FAILED_PRECONDITION", _) if message.contains("billing") => LlmFailure::Billing(name),
        ("NOT_FOUND", _) | (_, Some(404)) => LlmFailure::UnknownModel,
        ("RESOURCE_EXHAUSTED", _) | (_, Some(429)) => {
            let delay = |detail: &Value| waits::of_text(detail["retryDelay"].as_str()?);
            LlmFailure::RateLimited { retry_after: details().find_map(delay) }
        }
        (_, Some(status)) if status >= 500 || status == 408 => LlmFailure::Overloaded(name),
        (_, Some(_)) => LlmFailure::BadRequest(name),
        (_, None) => LlmFailure::Overloaded(name),
    }
}

/// Decodes responses: each is a whole document with the new parts.
#[derive(Debug, Default)]
struct Responses {
    calls: Vec<Call>,
    finish: Option<Finish>,
}

fn call(response: &str, function: &Value, part: &Value) -> Call {
    static MADE_SO_FAR: AtomicU64 = AtomicU64::new(0);
    let given = function["id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
    let arguments = match function.get("args") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(args) => args.to_string(),
    };
    Call {
        id: given
            .unwrap_or_else(|| format!("{MADE}{response}-{}", MADE_SO_FAR.fetch_add(1, Ordering::Relaxed))),
        index: None,
        name: function["name"].as_str().unwrap_or_default().trim().to_owned(),
        arguments,
        opaque: part["thoughtSignature"].as_str().map(str::to_owned),
    }
}

impl Responses {
    /// Adds a call, unless it has no id and was already received.
    fn call(&mut self, call: Call) {
        let made = call.id.starts_with(MADE);
        let known = self.calls.iter().any(|before| {
            let same = before.name == call.name && before.arguments == call.arguments;
            same && (before.id == call.id || (made && before.id.starts_with(MADE)))
        });
        if !known {
            self.calls.push(call);
        }
    }
}

impl Decoder for Responses {
    fn take(&mut self, chunk: &Chunk, out: &mut Vec<Piece>) -> Result<(), LlmFailure> {
        let value = &chunk.value;
        let error = value.get("error").filter(|error| error.is_object() || error.is_string());
        if let Some(error) = error.filter(|_| !self.is_finished()) {
            return Err(failure(None, error));
        }
        let candidate = &value["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            if let Some(function) = part.get("functionCall").filter(|function| function.is_object()) {
                self.call(call(value["responseId"].as_str().unwrap_or_default(), function, part));
            } else if part["thought"] == true {
                out.push(Piece::Thought(bytes_of(&part["text"])));
            } else {
                text_in(&part["text"], out);
            }
        }
        let counts = &value["usageMetadata"];
        let counted = Counted::of(counts, &["promptTokenCount"], &["candidatesTokenCount"]);
        let thought = count(&counts["thoughtsTokenCount"]).unwrap_or_default();
        let output =
            counted.output.or((thought > 0).then_some(0)).map(|output| output.saturating_add(thought));
        out.push(Piece::Usage(Counted { output, ..counted }));
        let blocked = value["promptFeedback"].get("blockReason").is_some_and(|reason| !reason.is_null());
        let reason = candidate["finishReason"].as_str().filter(|reason| !reason.is_empty());
        if let Some(reason) = reason.or(blocked.then_some("SAFETY")) {
            // some models say STOP with every piece
            self.finish = Some(match reason {
                "STOP" | "FINISH_REASON_UNSPECIFIED" => self.finish.unwrap_or(Finish::Stop),
                "MAX_TOKENS" => Finish::Length,
                "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => {
                    return Err(LlmFailure::Protocol(reason.to_owned()));
                }
                _ => Finish::Refused,
            });
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn is_calling(&self) -> bool {
        !self.calls.is_empty()
    }

    fn end(&mut self, done: bool, out: &mut Vec<Piece>) -> Result<Finish, LlmFailure> {
        let finish = self.finish.or(done.then_some(Finish::Stop)).ok_or_else(cut_off)?;
        out.extend(self.calls.drain(..).map(Piece::Call));
        Ok(finish)
    }
}
