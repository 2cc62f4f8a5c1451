//! OpenAI's chat completions, and Groq's.

use conformance::llm::{Away, Ending, SceneCall, USAGE};
use serde_json::{Value, json};

use super::{Reply, json_reply, stops_short};

fn usage() -> Value {
    json!({"prompt_tokens": USAGE.input, "completion_tokens": USAGE.output,
        "total_tokens": USAGE.input + USAGE.output, "prompt_tokens_details": {"cached_tokens": 0}})
}

fn finish_reason(calls: &[SceneCall], ending: Ending) -> &'static str {
    match ending {
        Ending::Length => "length",
        Ending::Refused => "content_filter",
        _ if calls.is_empty() => "stop",
        _ => "tool_calls",
    }
}

fn chunk(delta: Value, finish: Option<&str>) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "model-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": null})
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

pub(super) fn events(text: &[String], calls: &[SceneCall], ending: Ending, groq: bool) -> Vec<String> {
    let mut first = chunk(json!({"role": "assistant", "content": ""}), None);
    if groq {
        first["x_groq"] = json!({"id": "req_01"});
    } else {
        first["obfuscation"] = "aGVsbG8".into();
    }
    let mut events = vec![": OPENROUTER PROCESSING\n\n".to_owned(), data(&first)];
    events.extend(text.iter().map(|text| data(&chunk(json!({"content": text}), None))));
    for (index, call) in calls.iter().enumerate() {
        let begins = json!({"index": index, "id": format!("call_{index}"), "type": "function",
            "function": {"name": call.name, "arguments": ""}});
        events.push(data(&chunk(json!({"content": null, "tool_calls": [begins]}), None)));
        for piece in &call.arguments {
            let more = json!({"index": index, "function": {"arguments": piece}});
            events.push(data(&chunk(json!({"tool_calls": [more]}), None)));
        }
    }
    if stops_short(ending) {
        return events;
    }
    if ending == Ending::Error {
        let error = json!({"message": "the server had an error", "type": "server_error", "code": null});
        events.push(if groq {
            let mut last = chunk(json!({}), None);
            last["x_groq"] = json!({"id": "req_01", "error": "over capacity"});
            data(&last)
        } else {
            data(&json!({ "error": error }))
        });
        return events;
    }
    let mut last = chunk(json!({}), Some(finish_reason(calls, ending)));
    if groq {
        last["x_groq"] = json!({"id": "req_01", "usage": usage()});
    }
    events.push(data(&last));
    if !groq {
        events.push(data(&json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": "model-1", "choices": [], "usage": usage()})));
    }
    if ending != Ending::NoLastWord {
        events.push("data: [DONE]\n\n".to_owned());
    }
    events
}

pub(super) fn whole(text: &[String], calls: &[SceneCall], ending: Ending, groq: bool) -> Value {
    let call = |(n, call): (usize, &SceneCall)| {
        json!({"id": format!("call_{n}"), "type": "function",
            "function": {"name": call.name, "arguments": call.arguments.concat()}})
    };
    let calls_told: Vec<Value> = calls.iter().enumerate().map(call).collect();
    let mut message = json!({"role": "assistant", "content": text.concat(), "refusal": null});
    if !calls_told.is_empty() {
        message["tool_calls"] = calls_told.into();
        message["content"] = Value::Null;
    }
    let mut whole = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "model-1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason(calls, ending), "logprobs": null}],
        "usage": usage()});
    if groq {
        // another shape than in a stream
        whole["x_groq"] =
            json!({"id": "req_01", "usage": {"dram_cached_tokens": 0, "sram_cached_tokens": 0}});
    }
    whole
}

pub(super) fn away(away: Away) -> Reply {
    let (status, kind, code) = match away {
        Away::Overloaded => (503, "server_error", "server_is_overloaded"),
        Away::RateLimited(_) => (429, "tokens", "rate_limit_exceeded"),
        Away::Billing => (429, "insufficient_quota", "insufficient_quota"),
        Away::Credentials => (401, "invalid_request_error", "invalid_api_key"),
        Away::UnknownModel => (404, "invalid_request_error", "model_not_found"),
        Away::TooLong => (400, "invalid_request_error", "context_length_exceeded"),
        Away::BadRequest => (400, "invalid_request_error", "unsupported_parameter"),
    };
    let error = json!({"message": "no", "type": kind, "param": null, "code": code});
    let mut reply = json_reply(status, &json!({ "error": error }));
    if let Away::RateLimited(millis) = away {
        reply.headers.push(("x-ratelimit-remaining-tokens".into(), "0".into()));
        reply.headers.push(("x-ratelimit-reset-tokens".into(), format!("{millis}ms")));
    }
    reply
}
