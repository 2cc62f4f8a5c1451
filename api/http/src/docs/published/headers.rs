//! Declares the headers of answers.

use serde_json::{Map, Value, json};

use super::node::{operations_mut, schema_name};

/// Header of an answer that is replayed.
const REPLAYED: &str = "Idempotent-Replayed";
/// Headers that describe a caller's rate limit, on every authenticated answer.
const LIMITS: [&str; 3] = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];
/// Operations whose data has no `version`, but whose answers carry the `ETag` of a resource.
const TAGGED: [&str; 9] = [
    "getPrivacyJob",
    "eraseSubject",
    "exportSubject",
    "createExport",
    "getExport",
    "createCheckout",
    "getCheckout",
    "getSpendLimits",
    "patchSpendLimits",
];
/// Operations that create something which has no address of its own.
const NOWHERE: [&str; 3] = ["presignDocument", "sendMessage", "createGrant"];
/// Operations that start a job: they answer 202 and the job's address.
const JOBS: [&str; 3] = ["createExport", "eraseSubject", "exportSubject"];

/// Header with the address of the next page, where the body has no place for it.
const LINK: &str = "Link";
/// Operations whose pages may come as a batch of events.
const IN_BATCHES: [&str; 1] = ["listTransactions"];

/// Declares the headers of every answer.
pub(super) fn declare(document: &mut Value) {
    document["components"]["headers"] = Value::Object(all());
    let schemas = document["components"]["schemas"].clone();
    for (_, response) in document["components"]["responses"].as_object_mut().into_iter().flatten() {
        put(response, "X-Request-Id");
        LIMITS.iter().for_each(|name| put(response, name));
        // a refusal under an idempotency key is replayed, too
        put(response, REPLAYED);
    }
    let responses = &mut document["components"]["responses"];
    put(&mut responses["Unauthorized"], "WWW-Authenticate");
    put(&mut responses["TooManyRequests"], "Retry-After");
    let when = "With `insufficient_scope`: names the missing scope";
    responses["Forbidden"]["headers"]["WWW-Authenticate"] =
        json!({"description": when, "schema": {"type": "string"}});
    for (name, when) in [
        ("Conflict", "With `idempotency_in_progress`: seconds to wait before you repeat the request"),
        ("ServiceUnavailable", "Seconds to wait before you try again; absent where waiting does not help"),
    ] {
        let schema = json!({"type": "integer", "minimum": 1});
        responses[name]["headers"]["Retry-After"] = json!({"description": when, "schema": schema});
    }
    for (_, method, operation) in operations_mut(&mut document["paths"]) {
        let mut versioned = false;
        let signed_in = operation["security"] != json!([{}]);
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if response["$ref"].is_string() {
                continue;
            }
            put(response, "X-Request-Id");
            if signed_in {
                LIMITS.iter().for_each(|name| put(response, name));
            }
            if is_tagged(&id, response, &schemas) {
                put(response, "ETag");
                versioned |= method == "get" && status == "200";
            }
            if IN_BATCHES.contains(&id.as_str()) {
                put(response, LINK);
            }
            let made = status == "201" && !NOWHERE.contains(&id.as_str());
            if made || JOBS.contains(&id.as_str()) && status == "202" {
                put(response, "Location");
            }
        }
        if versioned {
            revalidate(operation);
        }
    }
}

/// Documents conditional reads: `If-None-Match`, and 304 for the newest version.
fn revalidate(operation: &mut Value) {
    let mut unchanged =
        json!({"description": "The resource is still at the version that `If-None-Match` names"});
    ["ETag", "X-Request-Id"].iter().chain(&LIMITS).for_each(|name| put(&mut unchanged, name));
    operation["responses"]["304"] = unchanged;
    let known = json!({"name": "If-None-Match", "in": "header", "required": false, "schema": {"type": "string"},
        "description": "`ETag` of an earlier answer: while it is current, the answer is 304 without a body"});
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(known),
        None => operation["parameters"] = json!([known]),
    }
}

fn put(response: &mut Value, name: &str) {
    response["headers"][name] = json!({"$ref": format!("#/components/headers/{name}")});
}

/// Whether the answer is a versioned resource, which has an `ETag`.
fn is_tagged(id: &str, response: &Value, schemas: &Value) -> bool {
    let schema = &response["content"]["application/json"]["schema"];
    let envelope = schema_name(schema).map(|name| &schemas[name]);
    let data = envelope.and_then(|envelope| schema_name(&envelope["properties"]["data"]));
    let has_version = data.is_some_and(|data| has_version(&schemas[data], schemas));
    TAGGED.contains(&id) || has_version
}

fn has_version(schema: &Value, schemas: &Value) -> bool {
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let mut parts = parts.map(|part| schema_name(part).map_or(part, |name| &schemas[name]));
    schema["properties"]["version"].is_object() || parts.any(|part| has_version(part, schemas))
}

fn all() -> Map<String, Value> {
    let header = |name: &str, description: &str, schema: Value| {
        let required = ![REPLAYED, LINK].contains(&name) && !LIMITS.contains(&name);
        (name.to_owned(), json!({"description": description, "required": required, "schema": schema}))
    };
    let count = || json!({"type": "integer", "minimum": 0});
    let text = |example: &str| json!({"type": "string", "examples": [example]});
    Map::from_iter([
        header(
            REPLAYED,
            "`true` when this repeats the answer to an earlier request with the same key",
            json!({"type": "string", "enum": ["true"]}),
        ),
        header(
            "X-Request-Id",
            "Id of the request, to quote in a report: yours, if you sent one of 1 to 128 visible characters",
            text("req_01jd0xq3c9e8r9w2x4y6z8a0bc"),
        ),
        header(
            "RateLimit-Limit",
            "Requests that the tighter of your limits allows at once; only for authenticated requests",
            count(),
        ),
        header("RateLimit-Remaining", "Requests that are left of `RateLimit-Limit`", count()),
        header("RateLimit-Reset", "Seconds without requests until the whole limit is left", count()),
        header(
            "ETag",
            "Version of the resource in quotes, for `If-Match`. Where events of other resources change the answer, too, \
             a mark of its state follows the version",
            json!({"type": "string", "pattern": "^\"[0-9]+(-[a-z0-9-]+)?\"$", "examples": ["\"3\""]}),
        ),
        header(
            LINK,
            "Address of the next page (RFC 8288, `rel=\"next\"`); only with a batch that is not the last one",
            text("</api/v1/billing/transactions?cursor=WyJ4Il0>; rel=\"next\""),
        ),
        header(
            "Location",
            "Path of the new resource or job",
            json!({"type": "string", "format": "uri-reference"}),
        ),
        header(
            "Retry-After",
            "Seconds to wait before you try again",
            json!({"type": "integer", "minimum": 1}),
        ),
        header(
            "WWW-Authenticate",
            "How to authenticate, and why the credentials were refused",
            text("Bearer realm=\"voxledger\""),
        ),
    ])
}
