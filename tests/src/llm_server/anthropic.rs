//! Anthropic's Messages.

use conformance::llm::{Away, Ending, SceneCall, USAGE};
use serde_json::{Value, json};

use super::{Reply, json_reply, stops_short};

fn event(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default())
}

fn stop_reason(calls: &[SceneCall], ending: Ending) -> &'static str {
    match ending {
        Ending::Length => "max_tokens",
        Ending::Refused => "refusal",
        _ if calls.is_empty() => "end_turn",
        _ => "tool_use",
    }
}

pub(super) fn events(text: &[String], calls: &[SceneCall], ending: Ending) -> Vec<String> {
    // what came from the cache was read as well
    let usage = json!({"input_tokens": USAGE.input - 11, "cache_read_input_tokens": 11, "output_tokens": 1});
    let message = json!({"id": "msg_01", "type": "message", "role": "assistant", "model": "model-1",
        "content": [], "stop_reason": null, "usage": usage});
    let mut events =
        vec![event(&json!({"type": "message_start", "message": message})), event(&json!({"type": "ping"}))];
    let mut index = 0;
    if !text.is_empty() {
        let block = json!({"type": "text", "text": ""});
        events.push(event(&json!({"type": "content_block_start", "index": index, "content_block": block})));
        for piece in text {
            let delta = json!({"type": "text_delta", "text": piece});
            events.push(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        if !stops_short(ending) {
            events.push(event(&json!({"type": "content_block_stop", "index": index})));
        }
        index += 1;
    }
    for call in calls {
        let block =
            json!({"type": "tool_use", "id": format!("toolu_{index}"), "name": call.name, "input": {}});
        events.push(event(&json!({"type": "content_block_start", "index": index, "content_block": block})));
        for piece in [""].into_iter().chain(call.arguments.iter().map(String::as_str)) {
            let delta = json!({"type": "input_json_delta", "partial_json": piece});
            events.push(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        events.push(event(&json!({"type": "content_block_stop", "index": index})));
        index += 1;
    }
    if stops_short(ending) {
        return events;
    }
    if ending == Ending::Error {
        let error = json!({"type": "overloaded_error", "message": "Overloaded"});
        events.push(event(&json!({"type": "error", "error": error})));
        return events;
    }
    let delta = json!({"stop_reason": stop_reason(calls, ending), "stop_sequence": null});
    let usage = json!({"output_tokens": USAGE.output});
    events.push(event(&json!({"type": "message_delta", "delta": delta, "usage": usage})));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

pub(super) fn whole(text: &[String], calls: &[SceneCall], ending: Ending) -> Value {
    let mut content = Vec::new();
    if !text.is_empty() {
        content.push(json!({"type": "text", "text": text.concat()}));
    }
    for (n, call) in calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments.concat()).unwrap_or_else(|_| json!({}));
        content
            .push(json!({"type": "tool_use", "id": format!("toolu_{n}"), "name": call.name, "input": input}));
    }
    json!({"id": "msg_01", "type": "message", "role": "assistant", "model": "model-1", "content": content,
        "stop_reason": stop_reason(calls, ending), "stop_sequence": null,
        "usage": {"input_tokens": USAGE.input, "output_tokens": USAGE.output, "cache_read_input_tokens": 0}})
}

pub(super) fn away(away: Away) -> Reply {
    let (status, kind, message) = match away {
        Away::Overloaded => (529, "overloaded_error", "Overloaded"),
        Away::RateLimited(_) => (429, "rate_limit_error", "too many"),
        Away::Billing => (402, "billing_error", "pay"),
        Away::Credentials => (401, "authentication_error", "invalid x-api-key"),
        Away::UnknownModel => (404, "not_found_error", "model: model-1"),
        Away::TooLong => (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        Away::BadRequest => (400, "invalid_request_error", "temperature: not here"),
    };
    let error = json!({"type": kind, "message": message});
    let mut reply = json_reply(status, &json!({"type": "error", "error": error, "request_id": "req_1"}));
    if let Away::RateLimited(millis) = away {
        reply.headers.push(("retry-after".into(), (millis / 1_000).to_string()));
    }
    reply
}
