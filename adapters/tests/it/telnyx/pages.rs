//! Lists of active calls, as different servers page them: a leg that is there is never taken for absent.

use std::collections::HashMap;
use std::net::TcpListener;

use actix_web::web::{Data, Query, get};
use actix_web::{App, HttpResponse, HttpServer};
use adapters::telephony::telnyx::encode_client_state;
use domain::call::report::LegRef;
use domain::ports::telephony::{CarrierError, Telephony as _};
use serde_json::{Value, json};

use super::world::{World, client, tag};

/// Answers a page by what was asked for.
type Server = fn(&HashMap<String, String>) -> Value;

async fn pages(server: Data<Server>, asked: Query<HashMap<String, String>>) -> HttpResponse {
    HttpResponse::Ok().json(server(&asked))
}

/// What the search is to come to.
type Expected = fn(&Result<Option<LegRef>, CarrierError>) -> bool;

/// Legs of others from `first` on, then ours if it is `here`.
fn legs(first: usize, count: usize, here: bool) -> Vec<Value> {
    let leg = |n: usize, state: Option<String>| {
        json!({"call_control_id": format!("v3:{n}"), "call_leg_id": format!("leg {n}"), "is_alive": true,
            "client_state": state})
    };
    let mut legs: Vec<Value> = (first..first + count).map(|n| leg(n, None)).collect();
    if here {
        legs.push(leg(9_999, Some(encode_client_state(&tag(7)))));
    }
    legs
}

fn number(asked: &HashMap<String, String>) -> usize {
    asked.get("page[number]").and_then(|number| number.parse().ok()).unwrap_or(1)
}

fn numbered(asked: &HashMap<String, String>) -> Value {
    let page = number(asked);
    json!({"data": legs(page * 20, 19, page == 3), "meta": {"page_number": page, "total_pages": 4}})
}

fn by_cursor(asked: &HashMap<String, String>) -> Value {
    let page = asked.get("page[after]").map_or(1, |after| after.len());
    let after = (page < 3).then(|| "x".repeat(page + 1));
    json!({"data": legs(page * 250, 250, page == 3), "meta": {"cursors": {"after": after}}})
}

/// While the second page is read legs of the first one end, and ours moves to it from the third.
fn moving(asked: &HashMap<String, String>) -> Value {
    static READ: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let (page, read) = (number(asked), READ.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    json!({"data": legs(page * 20, 19, page == 2 && read > 2), "meta": {"page_number": page, "total_pages": 3}})
}

fn without_a_word(asked: &HashMap<String, String>) -> Value {
    let page = number(asked);
    json!({"data": legs(page * 20, if page < 3 { 20 } else { 0 }, false)})
}

fn always_the_same(_: &HashMap<String, String>) -> Value {
    json!({"data": legs(0, 250, false), "meta": {"cursors": {"after": null}}})
}

fn without_end(asked: &HashMap<String, String>) -> Value {
    json!({"data": legs(number(asked) * 20, 20, false), "meta": {"page_number": number(asked), "total_pages": 1_000_000}})
}

#[actix_web::test]
async fn a_leg_is_absent_only_from_a_list_that_was_read_to_its_end() {
    let world = World::start().await;
    let cases: [(&str, Server, Expected); 6] = [
        ("numbered", numbered, |found| matches!(found, Ok(Some(_)))),
        ("by cursor", by_cursor, |found| matches!(found, Ok(Some(_)))),
        ("moving", moving, |found| matches!(found, Ok(Some(_)))),
        ("without a word", without_a_word, |found| matches!(found, Ok(None))),
        ("always the same", always_the_same, |found| matches!(found, Err(CarrierError::Unavailable { .. }))),
        ("without end", without_end, |found| matches!(found, Err(CarrierError::Unavailable { .. }))),
    ];
    for (name, server, expected) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/v2", listener.local_addr().unwrap());
        let app = move || {
            App::new().app_data(Data::new(server)).route("/v2/connections/{id}/active_calls", get().to(pages))
        };
        let running = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        let client = client(&world.fake, &world.clock, |config| config.api_base = base.clone());
        let found = client.find_leg(&tag(7)).await;
        assert!(expected(&found), "{name}: {found:?}");
        handle.stop(false).await;
    }
    world.stop().await;
}
