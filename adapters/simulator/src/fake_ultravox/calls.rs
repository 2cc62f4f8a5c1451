//! Calls of the simulated Ultravox.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::{Operation, Served, failure, of};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/agents/{id}/calls", web::post().to(create))
        .route("/api/calls", web::get().to(list))
        .route("/api/calls/{id}", web::get().to(get))
        .route("/api/calls/{id}/messages", web::get().to(messages))
        .route("/api/calls/{id}/send_data_message", web::post().to(message));
}

async fn create(
    request: HttpRequest,
    agent: web::Path<String>,
    body: web::Json<Value>,
    served: web::Data<Served>,
) -> HttpResponse {
    let begun = match served.begin(&request, Operation::CreateCall) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    let known = served.inner.lock().agents.get(&*agent).is_some_and(|(account, _)| *account == begun.account);
    if !known {
        return failure(StatusCode::NOT_FOUND, "Not found.");
    }
    if let Some(refused) = fault(&body) {
        return refused;
    }
    let id = served.create_call(&begun.account, Some(&agent), body.into_inner());
    let call = served.inner.lock().calls.get(&id).map(|(_, call)| call.clone());
    begun.answer(HttpResponse::Created().json(call))
}

/// The traps of the vendor: metadata is text, durations are text in seconds, and a call has one medium.
fn fault(body: &Value) -> Option<HttpResponse> {
    let bad = |value: Value| Some(HttpResponse::BadRequest().json(value));
    for (name, value) in body["metadata"].as_object().into_iter().flatten() {
        if !value.is_string() || name.starts_with("ultravox.") {
            return bad(json!({"metadata": {name: ["Not a valid string."]}}));
        }
    }
    for name in ["joinTimeout", "maxDuration"] {
        let text = body[name].as_str().and_then(|text| text.strip_suffix('s'));
        if !body[name].is_null() && text.is_none_or(|text| text.parse::<f64>().is_err()) {
            return bad(json!({name: ["Not a valid duration."]}));
        }
    }
    let media = body["medium"].as_object();
    if media.is_some_and(|media| media.len() > 1) {
        return bad(json!({"medium": ["At most one medium may be set."]}));
    }
    let mut media = media.into_iter().flatten();
    if media.any(|(_, medium)| medium["outgoing"]["to"].as_str().is_some_and(|to| to.ends_with("5550199"))) {
        return bad(json!({"medium": {"telnyx": {"outgoing": {"to": ["Not a number."]}}}}));
    }
    None
}

impl Served {
    pub(super) fn create_call(&self, account: &str, agent: Option<&str>, body: Value) -> String {
        let mut inner = self.inner.lock();
        let id = Self::next_id(&mut inner);
        let call = json!({
            "callId": id, "clientVersion": null, "created": self.now(), "joined": null, "ended": null,
            "endReason": null, "billedDuration": null, "billingStatus": "BILLING_STATUS_PENDING",
            "joinUrl": "wss://voice.example.invalid/calls/secret-join-url", "agentId": agent,
            "joinTimeout": body["joinTimeout"], "maxDuration": body["maxDuration"], "medium": body["medium"],
            "recordingEnabled": body["recordingEnabled"], "metadata": body["metadata"],
            "callbacks": body["callbacks"], "retentionPolicy": null, "summary": null, "sipDetails": null,
            "aFieldOfNextYear": {"nested": [1, 2]},
        });
        inner.calls.insert(id.clone(), (account.to_owned(), call));
        id
    }
}

async fn list(
    request: HttpRequest,
    query: web::Query<Vec<(String, String)>>,
    served: web::Data<Served>,
) -> HttpResponse {
    let begun = match served.begin(&request, Operation::ListCalls) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    let mut calls = of(&served.inner.lock().calls, &begun.account);
    for (name, value) in query.iter() {
        if let Some(key) = name.strip_prefix("metadata.") {
            calls.retain(|call| call["metadata"][key] == *value);
        }
    }
    calls.reverse();
    begun.answer(served.page("/api/calls", &query, calls))
}

async fn get(request: HttpRequest, id: web::Path<String>, served: web::Data<Served>) -> HttpResponse {
    let begun = match served.begin(&request, Operation::GetCall) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    match served.inner.lock().calls.get(&*id).filter(|(account, _)| *account == begun.account) {
        Some((_, call)) => begun.answer(HttpResponse::Ok().json(call)),
        None => failure(StatusCode::NOT_FOUND, "Not found."),
    }
}

async fn messages(
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<Vec<(String, String)>>,
    served: web::Data<Served>,
) -> HttpResponse {
    let begun = match served.begin(&request, Operation::ListMessages) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    let said = {
        let inner = served.inner.lock();
        let known = inner.calls.get(&*id).is_some_and(|(account, _)| *account == begun.account);
        known.then(|| {
            let said = inner.said.iter().filter(|(of, _)| *of == *id);
            said.map(|(_, message)| message.clone()).collect()
        })
    };
    match said {
        Some(said) => begun.answer(served.page(&format!("/api/calls/{id}/messages"), &query, said)),
        None => failure(StatusCode::NOT_FOUND, "Not found."),
    }
}

async fn message(
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Json<Value>,
    served: web::Data<Served>,
) -> HttpResponse {
    let begun = match served.begin(&request, Operation::SendMessage) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    let now = served.now();
    let mut inner = served.inner.lock();
    let Some((_, call)) = inner.calls.get_mut(&*id).filter(|(account, _)| *account == begun.account) else {
        return failure(StatusCode::NOT_FOUND, "Not found.");
    };
    if call["joined"].is_null() || !call["ended"].is_null() {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "The call is not live.");
    }
    if body["type"] == "hang_up" {
        call["ended"] = json!(now);
        call["endReason"] = json!("agent_hangup");
    }
    let id = id.into_inner();
    inner.messages.push((id, body.into_inner()));
    begun.answer(HttpResponse::NoContent().finish())
}
