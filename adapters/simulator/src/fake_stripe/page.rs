//! The page of a session, where somebody pays in a browser.

use std::time::Duration;

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::Served;

/// Longest time that the node has to take the event of a payment.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/pay/{id}", web::get().to(show))
        .route("/pay/{id}", web::post().to(pay))
        .route("/pay/{id}/cancel", web::post().to(cancel));
}

fn session(served: &Served, id: &str) -> Option<Value> {
    served.inner.lock().sessions.get(id).cloned()
}

fn unknown() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain").body("There is no such session.")
}

fn go_to(address: &Value) -> HttpResponse {
    match address.as_str() {
        Some(address) => HttpResponse::SeeOther().insert_header((LOCATION, address)).finish(),
        None => HttpResponse::Ok().content_type("text/plain").body("Done."),
    }
}

async fn show(id: web::Path<String>, served: web::Data<Served>) -> HttpResponse {
    let Some(session) = session(&served, &id) else { return unknown() };
    if session["status"] != "open" {
        return go_to(&session["success_url"]);
    }
    // only what the simulation made itself is written into the page
    let (id, minor_units) = (session["id"].as_str().unwrap_or_default(), &session["amount_total"]);
    let currency: String = session["currency"]
        .as_str()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_lowercase)
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Simulated Stripe</title>\
         <link rel=\"icon\" href=\"data:,\">\
         <body style=\"font-family: sans-serif; max-width: 30rem; margin: 4rem auto\">\
         <h1>Simulated Stripe</h1><p>No money moves here. Amount in the smallest units of the currency:</p>\
         <p><strong>{minor_units} {currency}</strong></p>\
         <form method=\"post\" action=\"/pay/{id}\"><button>Pay</button></form>\
         <form method=\"post\" action=\"/pay/{id}/cancel\"><button>Go back without paying</button></form>"
    );
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page)
}

async fn pay(id: web::Path<String>, served: web::Data<Served>) -> HttpResponse {
    let Some(session) = session(&served, &id) else { return unknown() };
    if session["status"] == "open" {
        let (webhook, sink) = (served.complete(&id, "paid"), served.sink.lock().clone());
        if let Some(url) = sink {
            let sent = reqwest::Client::new()
                .post(url)
                .timeout(TIMEOUT)
                .header("content-type", "application/json")
                .header("stripe-signature", webhook.signature)
                .body(webhook.body);
            let taken = sent.send().await.and_then(reqwest::Response::error_for_status);
            if taken.is_err() {
                let text = "The payment is made, but the node did not take its event.";
                return HttpResponse::BadGateway().content_type("text/plain").body(text);
            }
        }
    }
    go_to(&session["success_url"])
}

async fn cancel(id: web::Path<String>, served: web::Data<Served>) -> HttpResponse {
    match session(&served, &id) {
        Some(session) => go_to(&session["cancel_url"]),
        None => unknown(),
    }
}
