//! Agents of the simulated Ultravox.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::{Operation, Served, failure, named, of};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/agents", web::get().to(list))
        .route("/api/agents", web::post().to(create))
        .route("/api/agents/{id}", web::get().to(get))
        .route("/api/agents/{id}", web::patch().to(patch))
        .route("/api/agents/{id}", web::delete().to(delete));
}

async fn list(
    request: HttpRequest,
    query: web::Query<Vec<(String, String)>>,
    served: web::Data<Served>,
) -> HttpResponse {
    let begun = match served.begin(&request, Operation::ListAgents) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    let mut agents = of(&served.inner.lock().agents, &begun.account);
    if let Some(words) = named(&query, "search") {
        agents.retain(|agent| agent["name"].as_str().is_some_and(|name| name.contains(words)));
    }
    begun.answer(served.page("/api/agents", &query, agents))
}

async fn create(request: HttpRequest, body: web::Json<Value>, served: web::Data<Served>) -> HttpResponse {
    let begun = match served.begin(&request, Operation::CreateAgent) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    if let Some(refused) = fault(&body) {
        return refused;
    }
    let mut inner = served.inner.lock();
    let id = Served::next_id(&mut inner);
    let mut agent = json!({
        "agentId": id, "publishedRevisionId": null, "name": body["name"], "created": served.now(),
        "callTemplate": {"joinTimeout": "30s", "maxDuration": "3600s"}, "statistics": {"calls": 0},
    });
    write(&mut agent, &body);
    inner.agents.insert(id, (begun.account.clone(), agent.clone()));
    begun.answer(HttpResponse::Created().json(agent))
}

async fn get(request: HttpRequest, id: web::Path<String>, served: web::Data<Served>) -> HttpResponse {
    let begun = match served.begin(&request, Operation::GetAgent) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    match served.inner.lock().agents.get(&*id).filter(|(account, _)| *account == begun.account) {
        Some((_, agent)) => begun.answer(HttpResponse::Ok().json(agent)),
        None => failure(StatusCode::NOT_FOUND, "Not found."),
    }
}

async fn patch(
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Json<Value>,
    served: web::Data<Served>,
) -> HttpResponse {
    let begun = match served.begin(&request, Operation::PatchAgent) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    if let Some(refused) = fault(&body) {
        return refused;
    }
    match served.inner.lock().agents.get_mut(&*id).filter(|(account, _)| *account == begun.account) {
        Some((_, agent)) => {
            write(agent, &body);
            begun.answer(HttpResponse::Ok().json(&*agent))
        }
        None => failure(StatusCode::NOT_FOUND, "Not found."),
    }
}

async fn delete(request: HttpRequest, id: web::Path<String>, served: web::Data<Served>) -> HttpResponse {
    let begun = match served.begin(&request, Operation::DeleteAgent) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    let mut inner = served.inner.lock();
    let known = inner.agents.get(&*id).is_some_and(|(account, _)| *account == begun.account);
    if !known {
        return failure(StatusCode::NOT_FOUND, "Not found.");
    }
    inner.agents.remove(&*id);
    begun.answer(HttpResponse::NoContent().finish())
}

/// Writes what was sent; nested objects replace the earlier ones whole, and tokens are not shown again.
fn write(agent: &mut Value, body: &Value) {
    agent["name"] = body["name"].clone();
    for (name, value) in body["callTemplate"].as_object().into_iter().flatten() {
        agent["callTemplate"][name] = value.clone();
    }
    for tool in agent["callTemplate"]["selectedTools"].as_array_mut().into_iter().flatten() {
        if let Some(tool) = tool.as_object_mut() {
            tool.remove("authTokens");
        }
    }
}

fn fault(body: &Value) -> Option<HttpResponse> {
    let bad = |value: Value| Some(HttpResponse::BadRequest().json(value));
    match body["name"].as_str() {
        None => return bad(json!({"name": ["This field is required."]})),
        Some(name) if name.chars().count() > 64 => {
            return bad(json!({"name": ["Ensure this field has no more than 64 characters."]}));
        }
        Some(_) => {}
    }
    let warm =
        body["callTemplate"]["temperature"].as_f64().is_some_and(|value| !(0.0..=1.0).contains(&value));
    if warm {
        return bad(json!({"callTemplate": {"temperature": ["Ensure this value is at most 1."]}}));
    }
    None
}
