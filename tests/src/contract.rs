//! Every answer that journeys get is held against the OpenAPI document: path, status, content type, headers, body.
//!
//! Objects in answers may have no field that the document does not name.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::sse::Event;

static DOCUMENT: LazyLock<Contract> = LazyLock::new(|| {
    let text = include_str!("../../api/openapi/v1.json");
    Contract::of(serde_json::from_str(text).unwrap_or_default())
});

/// Headers that mean something to clients: sent, they are declared.
const TELLING: [&str; 6] =
    ["etag", "location", "retry-after", "idempotent-replayed", "www-authenticate", "ratelimit-limit"];
/// What is served besides the API: pages for people, and the document itself.
const ELSEWHERE: [&str; 3] = ["/docs", "/console", "/api/v1/openapi.json"];

/// An answer to be looked at. Of one that is still being read, or that has none, there is no body.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The path of the request, with or without its query.
    pub path: &'a str,
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub body: Option<&'a [u8]>,
}

/// Holds an answer against the document that is committed.
///
/// # Panics
/// When the answer is not what the document says; the message says what was found.
pub fn hold(seen: &Seen<'_>) {
    let faults = DOCUMENT.faults(seen);
    assert!(
        faults.is_empty(),
        "{} {} answered {} otherwise than the OpenAPI document says:\n  {}",
        seen.method,
        seen.path,
        seen.status,
        faults.join("\n  ")
    );
}

/// Holds an event of the stream at `path` against what the document says of its events and of their data.
///
/// # Panics
/// When it is something else.
pub fn hold_event(path: &str, event: &Event) {
    let faults = DOCUMENT.event_faults(path, event);
    assert!(faults.is_empty(), "{path} streamed {event:?}:\n  {}", faults.join("\n  "));
}

struct Contract {
    document: Value,
    /// By the pointer to a schema.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    fn of(mut document: Value) -> Self {
        let names: Vec<String> = document["components"]["schemas"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        let open = document["components"]["schemas"].clone();
        for name in names {
            document["components"]["schemas"][&name] = closed(&open[&name], &open);
        }
        Self { document, validators: Mutex::default() }
    }

    fn faults(&self, seen: &Seen<'_>) -> Vec<String> {
        let path = seen.path.split(['?', '#']).next().unwrap_or_default();
        if path == "/" || ELSEWHERE.iter().any(|other| path.starts_with(other)) {
            return Vec::new();
        }
        let method = seen.method.to_lowercase();
        let item = self.item(path);
        // HEAD is answered as GET is, without the body
        let operation = item.map(|item| &item[if method == "head" { "get" } else { &method }]);
        let Some(operation) = operation.filter(|operation| operation.is_object()) else {
            return self.undeclared(seen);
        };
        let Some(response) = self.response(operation, seen.status) else {
            return vec![format!(
                "the status is not declared: {}",
                String::from_utf8_lossy(seen.body.unwrap_or_default())
            )];
        };
        let mut faults = header_faults(self, response, seen);
        if operation["security"] != json!([{}])
            && seen.status < 300
            && !seen.headers.contains_key("ratelimit-limit")
        {
            faults.push("the header RateLimit-Limit is missing".to_owned());
        }
        if method != "head"
            && let Some(body) = seen.body
        {
            faults.extend(self.body_faults(response, seen, body));
        }
        faults
    }

    /// What is served at no path of the document is refused with a problem.
    fn undeclared(&self, seen: &Seen<'_>) -> Vec<String> {
        if ![404, 405].contains(&seen.status) {
            return vec!["the operation is not declared".to_owned()];
        }
        match seen.body {
            Some(body) if seen.method != "HEAD" => self.schema_faults("/components/schemas/Problem", body),
            _ => Vec::new(),
        }
    }

    /// The item of the path that fits best: the one with the most words of its own.
    fn item(&self, path: &str) -> Option<&Value> {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            let fitting = parts.len() == segments.len()
                && parts
                    .iter()
                    .zip(&segments)
                    .all(|(part, segment)| part.starts_with('{') && !segment.is_empty() || part == segment);
            fitting.then(|| parts.iter().filter(|part| !part.starts_with('{')).count())
        };
        let items = self.document["paths"].as_object().into_iter().flatten();
        let fitting = items.filter_map(|(template, item)| Some((fits(template)?, item)));
        fitting.max_by_key(|(own, _)| *own).map(|(_, item)| item)
    }

    fn response<'c>(&'c self, operation: &'c Value, status: u16) -> Option<&'c Value> {
        let response = operation["responses"].get(status.to_string())?;
        Some(self.followed(response))
    }

    fn followed<'c>(&'c self, node: &'c Value) -> &'c Value {
        let target =
            node["$ref"].as_str().and_then(|target| self.document.pointer(target.trim_start_matches('#')));
        target.unwrap_or(node)
    }

    fn body_faults(&self, response: &Value, seen: &Seen<'_>, body: &[u8]) -> Vec<String> {
        let sent = seen.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        let sent = sent.and_then(|kind| kind.split(';').next()).map(str::trim);
        let declared = response["content"].as_object();
        let (kind, declared) = match (sent, declared) {
            (None, None) if body.is_empty() => return Vec::new(),
            (Some(kind), Some(declared)) => (kind, declared),
            (sent, declared) => {
                let declared: Vec<_> = declared.into_iter().flatten().map(|(kind, _)| kind).collect();
                return vec![format!("{sent:?} was sent, {} bytes, and {declared:?} declared", body.len())];
            }
        };
        let Some(content) = declared.get(kind) else {
            return vec![format!("the content type {kind} is not declared")];
        };
        if !kind.ends_with("json") {
            return Vec::new();
        }
        match content["schema"]["$ref"].as_str() {
            Some(target) => self.schema_faults(target.trim_start_matches('#'), body),
            None => vec!["the schema of the body has no name".to_owned()],
        }
    }

    fn schema_faults(&self, pointer: &str, body: &[u8]) -> Vec<String> {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => self.value_faults(pointer, &value),
            Err(error) => vec![format!("the body is not JSON: {error}")],
        }
    }

    fn value_faults(&self, pointer: &str, value: &Value) -> Vec<String> {
        let validator = match self.validator(pointer) {
            Ok(validator) => validator,
            Err(fault) => return vec![fault],
        };
        let fault = |error: jsonschema::ValidationError<'_>| {
            let at = error.instance_path().to_string();
            let found = value.pointer(&at).map(ToString::to_string).unwrap_or_default();
            format!("{pointer} at `{at}`: {error} (by {}); there is {found}", error.schema_path())
        };
        validator.iter_errors(value).take(3).map(fault).collect()
    }

    fn validator(&self, pointer: &str) -> Result<Arc<Validator>, String> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = validators.get(pointer) {
            return Ok(known.clone());
        }
        let schema = json!({"$ref": format!("#{pointer}"), "components": self.document["components"]});
        let options =
            jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
        let validator = options.build(&schema).map_err(|error| format!("{pointer} is no schema: {error}"))?;
        let validator = Arc::new(validator);
        validators.insert(pointer.to_owned(), validator.clone());
        Ok(validator)
    }

    fn event_faults(&self, path: &str, event: &Event) -> Vec<String> {
        let operations = self.item(path).into_iter().flat_map(|item| [&item["get"], &item["post"]]);
        let responses =
            operations.flat_map(|operation| operation["responses"].as_object().into_iter().flatten());
        let mut schemas = responses
            .filter_map(|(_, response)| response["content"]["text/event-stream"]["schema"]["$ref"].as_str());
        let Some(pointer) = schemas.next().map(|target| target.trim_start_matches('#')) else {
            return vec!["no stream is declared there".to_owned()];
        };
        let sent = json!({"id": event.id, "event": event.name, "data": event.data.to_string()});
        let mut faults = self.value_faults(pointer, &sent);
        let data = self.document.pointer(&format!("{pointer}/properties/data/contentSchema/$ref"));
        if let Some(data) = data.and_then(Value::as_str) {
            faults.extend(self.value_faults(data.trim_start_matches('#'), &event.data));
        }
        faults
    }
}

fn header_faults(contract: &Contract, response: &Value, seen: &Seen<'_>) -> Vec<String> {
    let declared = response["headers"].as_object();
    let mut faults = Vec::new();
    for (name, header) in declared.into_iter().flatten() {
        let header = contract.followed(header);
        match seen.headers.get(name).map(|value| value.to_str().unwrap_or_default()) {
            None if header["required"] == true => faults.push(format!("the header {name} is missing")),
            Some(text) if header["schema"]["type"] == "integer" && text.parse::<u64>().is_err() => {
                faults.push(format!("the header {name} is no number: {text}"));
            }
            _ => {}
        }
    }
    let is_declared =
        |name: &str| declared.into_iter().flatten().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let undeclared = TELLING.iter().filter(|name| seen.headers.contains_key(**name) && !is_declared(name));
    faults.extend(undeclared.map(|name| format!("the header {name} is not declared")));
    faults
}

/// A schema whose objects have no other fields than it names; what is put together by `allOf` becomes one object.
fn closed(schema: &Value, all: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut object: serde_json::Map<String, Value> =
                fields.iter().map(|(name, field)| (name.clone(), closed(field, all))).collect();
            // a word that a later version may add is none of this version's
            if let Some([set, any]) = fields.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
                && set["$ref"].is_string()
                && *any == json!({"type": "string"})
            {
                return set.clone();
            }
            if let Some(parts) = fields.get("allOf").and_then(Value::as_array) {
                object.remove("allOf");
                object.insert("type".into(), json!("object"));
                for part in parts {
                    join(&mut object, part, all);
                }
            }
            if object.get("properties").is_some_and(Value::is_object)
                && !object.contains_key("additionalProperties")
            {
                object.insert("additionalProperties".into(), json!(false));
            }
            Value::Object(object)
        }
        Value::Array(items) => items.iter().map(|item| closed(item, all)).collect(),
        other => other.clone(),
    }
}

fn join(object: &mut serde_json::Map<String, Value>, part: &Value, all: &Value) {
    if let Some(name) = part["$ref"].as_str().and_then(|target| target.strip_prefix("#/components/schemas/"))
    {
        return join(object, &all[name], all);
    }
    for nested in part["allOf"].as_array().into_iter().flatten() {
        join(object, nested, all);
    }
    for (name, field) in part["properties"].as_object().into_iter().flatten() {
        object.entry("properties").or_insert_with(|| json!({}))[name] = closed(field, all);
    }
    if let Some(required) = part["required"].as_array()
        && let Value::Array(known) = object.entry("required").or_insert_with(|| json!([]))
    {
        known.extend(required.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(
        method: &str,
        path: &str,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let body = body.to_string();
        DOCUMENT.faults(&Seen { method, path, status, headers: &map, body: Some(body.as_bytes()) })
    }

    const SENT: [(&str, &str); 3] =
        [("content-type", "application/json"), ("x-request-id", "r"), ("ratelimit-limit", "9")];

    #[test]
    fn an_answer_as_it_is_declared_is_at_no_fault() {
        let page = json!({"data": [], "meta": {"request_id": "r", "has_more": false, "next_cursor": null}});
        assert_eq!(faults("GET", "/api/v1/calls?limit=1", 200, &SENT, &page), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_answer_otherwise_is_seen() {
        let page = |more: Value| json!({"data": [], "meta": {"request_id": "r", "has_more": more, "next_cursor": null}});
        let first = |faults: Vec<String>| faults.first().cloned().unwrap_or_default();
        assert!(
            first(faults("GET", "/api/v1/calls", 200, &SENT, &page(json!("no")))).contains("/meta/has_more")
        );
        assert!(
            first(faults("GET", "/api/v1/calls", 200, &SENT[..1], &page(json!(true))))
                .contains("X-Request-Id")
        );
        assert!(first(faults("GET", "/api/v1/calls", 206, &SENT, &page(json!(true)))).contains("status"));
        assert!(
            first(faults("GET", "/api/v1/nowhere", 200, &SENT, &page(json!(true)))).contains("operation")
        );
        let mut with_tag = SENT.to_vec();
        with_tag.push(("etag", "\"1\""));
        assert!(first(faults("GET", "/api/v1/calls", 200, &with_tag, &page(json!(true)))).contains("etag"));
        let html = [("content-type", "text/html"), SENT[1], SENT[2]];
        assert!(first(faults("GET", "/api/v1/calls", 200, &html, &page(json!(true)))).contains("text/html"));
        let mut more = page(json!(true));
        more["meta"]["surprise"] = json!(1);
        assert!(first(faults("GET", "/api/v1/calls", 200, &SENT, &more)).contains("surprise"));
    }
}
