//! Declares the error statuses of every operation, with their problems.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::node::{operations_mut, reference};
use crate::problem::Code;

/// Reads of results that may not be ready yet.
const LATER: [&str; 2] = ["downloadExport", "getSubjectExport"];
/// Operations that refer to something besides the resource in their path, which may not exist.
const NAMES_MORE: [&str; 9] = [
    "createGrant",
    "getPrices",
    "converse",
    "getLatestCheckpoint",
    "proveConsistency",
    "proveInclusion",
    "eraseSubject",
    "exportSubject",
    "takeHubspotWebhook",
];
/// Operations whose right is a token in their path.
const SIGNED: [&str; 2] = ["downloadObject", "uploadObject"];
/// Operations that need the answer of a model, or of a payment provider.
const ASKS_OTHERS: [&str; 3] = ["converse", "sendMessage", "createCheckout"];
/// Operations that a client's credit must cover.
const NEEDS_COVER: [&str; 1] = ["createCall"];

/// Declares the error statuses of every operation, in place of a `default` answer.
pub(super) fn declare(document: &mut Value) {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in Code::ALL {
        by_status.entry(code.status().as_u16()).or_default().push(code.as_str());
    }
    // no operation documents 405, because it is about methods that the path does not have
    by_status.remove(&StatusCode::METHOD_NOT_ALLOWED.as_u16());
    let responses: Map<String, Value> =
        by_status.iter().map(|(status, codes)| (name(*status), response(*status, codes))).collect();
    document["components"]["responses"] = Value::Object(responses);
    for (path, method, operation) in operations_mut(&mut document["paths"]) {
        let statuses = statuses(path, method, operation);
        let Some(responses) = operation["responses"].as_object_mut() else { continue };
        if responses.remove("default").is_none() {
            continue;
        }
        for status in statuses {
            let target = json!({"$ref": format!("#/components/responses/{}", name(status))});
            responses.insert(status.to_string(), target);
        }
    }
}

/// Error statuses of an operation.
fn statuses(path: &str, method: &str, operation: &Value) -> Vec<u16> {
    let signed_in = operation["security"] != json!([{}]);
    let has_body = operation["requestBody"].is_object();
    let parameters = operation["parameters"].as_array();
    let has_parameter = |name: &str| parameters.into_iter().flatten().any(|p| p["name"] == name);
    let id = operation["operationId"].as_str().unwrap_or_default();
    if !path.starts_with("/api/") {
        return Vec::new();
    }
    let mut statuses = vec![400, 422, 429, 500, 503];
    if signed_in || method == "post" {
        statuses.push(401);
    }
    if signed_in {
        statuses.push(403);
    }
    if path.contains('{') || has_parameter("version") || NAMES_MORE.contains(&id) {
        statuses.push(404);
    }
    // every POST body is read, also an unused one: the idempotency key covers it
    if has_body || method == "post" {
        statuses.extend([408, 413]);
    }
    if has_body {
        statuses.push(415);
    }
    if signed_in && method != "get" || LATER.contains(&id) {
        statuses.push(409);
    }
    if has_parameter("If-Match") {
        statuses.push(412);
    }
    if SIGNED.contains(&id) {
        statuses.push(403);
    }
    if id == "downloadObject" {
        statuses.push(416);
    }
    if id == "uploadObject" {
        statuses.push(409);
    }
    if NEEDS_COVER.contains(&id) {
        statuses.push(402);
    }
    if ASKS_OTHERS.contains(&id) {
        statuses.push(502);
    }
    statuses.sort_unstable();
    statuses
}

/// Component name of a status, for example `NotFound`.
fn name(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.unwrap_or("Problem").split([' ', '-']).collect()
}

fn response(status: u16, codes: &[&str]) -> Value {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    json!({
        "description": format!("{}: {}. See /docs/errors.", reason.unwrap_or("Problem"), codes.join(", ")),
        "content": {"application/problem+json": {"schema": reference("Problem")}},
    })
}
