//! Google's Gemini.

use conformance::llm::{Away, Ending, SceneCall, USAGE};
use serde_json::{Value, json};

use super::{Reply, json_reply, stops_short};

fn usage() -> Value {
    // what was thought was written as well
    json!({"promptTokenCount": USAGE.input, "candidatesTokenCount": USAGE.output - 2, "thoughtsTokenCount": 2,
        "totalTokenCount": USAGE.input + USAGE.output})
}

fn response(parts: Vec<Value>, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    json!({"candidates": [candidate], "usageMetadata": usage(), "modelVersion": "model-1", "responseId": "r1"})
}

/// A call ends as anything else.
fn reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Length => "MAX_TOKENS",
        Ending::Refused => "SAFETY",
        _ => "STOP",
    }
}

/// Only the first of several calls has a signature.
fn parts(calls: &[SceneCall]) -> Vec<Value> {
    let part = |(n, call): (usize, &SceneCall)| {
        let mut function = json!({"name": call.name});
        if let Ok(args) = serde_json::from_str::<Value>(&call.arguments.concat()) {
            function["args"] = args;
        }
        let mut part = json!({ "functionCall": function });
        if n == 0 {
            part["thoughtSignature"] = "CsQB".into();
        }
        part
    };
    calls.iter().enumerate().map(part).collect()
}

fn data(value: &Value) -> String {
    format!("data: {value}\r\n\r\n")
}

pub(super) fn events(text: &[String], calls: &[SceneCall], ending: Ending) -> Vec<String> {
    let thought = json!({"text": "They want to move a booking.", "thought": true});
    let mut events = vec![data(&response(vec![thought], None))];
    events.extend(text.iter().map(|text| data(&response(vec![json!({ "text": text })], None))));
    if stops_short(ending) {
        return events;
    }
    if ending == Ending::Error {
        let error = json!({"code": 503, "message": "overloaded", "status": "UNAVAILABLE"});
        events.push(data(&json!({ "error": error })));
        return events;
    }
    let last = if calls.is_empty() { vec![json!({"text": ""})] } else { parts(calls) };
    events.push(data(&response(last, Some(reason(ending)))));
    events
}

pub(super) fn whole(text: &[String], calls: &[SceneCall], ending: Ending) -> Value {
    let said = (!text.is_empty()).then(|| json!({"text": text.concat()}));
    response(said.into_iter().chain(parts(calls)).collect(), Some(reason(ending)))
}

pub(super) fn away(away: Away) -> Reply {
    let (status, word, message) = match away {
        Away::Overloaded => (503, "UNAVAILABLE", "The model is overloaded."),
        Away::RateLimited(_) => (429, "RESOURCE_EXHAUSTED", "Quota exceeded"),
        Away::Billing => (402, "FAILED_PRECONDITION", "billing"),
        Away::Credentials => (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        Away::UnknownModel => (404, "NOT_FOUND", "models/model-1 is not found"),
        Away::TooLong => (400, "INVALID_ARGUMENT", "The input token count exceeds the maximum"),
        Away::BadRequest => (400, "INVALID_ARGUMENT", "Invalid value at 'tools'"),
    };
    let mut error = json!({"code": status, "message": message, "status": word});
    if let Away::RateLimited(millis) = away {
        let delay = format!("{}.{:03}s", millis / 1_000, millis % 1_000);
        error["details"] =
            json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]);
    }
    let body = json!({ "error": error });
    // sometimes in an array of one
    json_reply(status, &if away == Away::Overloaded { json!([body]) } else { body })
}
