use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, init_service, read_body_json};
use actix_web::{App, web};
use domain::ports::ids::Ids;
use serde_json::Value;
use uuid::Uuid;

use super::{Edge, REQUEST_ID};
use crate::docs::{Unmatched, document, unmatched};
use crate::meters::Meters;
use crate::problem::ApiError;
use crate::{Answer, JsonBody, RequestContext};

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Ids for Counting {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn secret(&self) -> [u8; 32] {
        [0; 32]
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Sends a request and returns the response, also one that actix makes from an error.
async fn send(request: TestRequest) -> (StatusCode, String, Value) {
    let edge = Edge::new(Arc::new(Counting::default()), "https://node.example");
    let app = App::new()
        .app_data(web::Data::new(Unmatched::of(&document())))
        .route("/ok/{id}", web::get().to(async || Answer::data("fine")))
        .route("/bad", web::post().to(async |_: JsonBody<Nothing>| Answer::data("")))
        .route("/lost", web::get().to(async || Err::<Answer, _>(ApiError::not_found("call"))))
        .route("/boom", web::get().to(boom))
        .route(
            "/context",
            web::get().to(async |context: RequestContext| {
                tokio::task::yield_now().await;
                Answer::data(&[context.request_id().to_string(), context.traceparent().unwrap_or_default()])
            }),
        )
        .default_service(web::to(unmatched))
        .wrap(edge);
    let app = init_service(app).await;
    let request = request.to_request();
    let response = match call(&app, request).await {
        Ok(response) => response,
        Err(error) => {
            let blank = TestRequest::default().to_http_request();
            ServiceResponse::new(blank, error.error_response())
        }
    };
    let id = response.headers().get(REQUEST_ID).unwrap().to_str().unwrap().to_owned();
    (response.status(), id, read_body_json(response).await)
}

async fn boom() -> Answer {
    panic!("on purpose")
}

async fn call<S, R, B>(app: &S, request: R) -> Result<ServiceResponse<B>, actix_web::Error>
where
    S: actix_web::dev::Service<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    app.call(request).await
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

#[actix_web::test]
async fn a_clients_request_id_is_kept_when_it_is_1_to_128_visible_characters() {
    let long = "x".repeat(128);
    for id in ["a", "8f14-e45f!", &long] {
        let (_, header, body) = send(get("/ok/1").insert_header((REQUEST_ID, id))).await;
        assert_eq!((header.as_str(), body["meta"]["request_id"].as_str()), (id, Some(id)));
    }
    let too_long = "x".repeat(129);
    for id in ["", "a b", "é", "a\tb", &too_long] {
        let (_, header, body) = send(get("/ok/1").insert_header((REQUEST_ID, id))).await;
        assert_eq!(header, "req_00000000000000000000000000", "{id}");
        assert_eq!(body["meta"]["request_id"], header);
    }
}

#[actix_web::test]
async fn every_problem_carries_the_requests_id_and_the_address_of_its_page() {
    let bad = TestRequest::post().uri("/bad").insert_header(("content-type", "application/json"));
    let wrong_method = TestRequest::delete().uri("/version");
    let cases = [
        (get("/lost"), 404, "not_found"),
        (bad.set_payload("{\"x\":1}"), 422, "invalid_request"),
        (get("/nowhere"), 404, "route_not_found"),
        (wrong_method, 405, "method_not_allowed"),
        (get("/boom"), 500, "internal_error"),
    ];
    for (request, status, code) in cases {
        let (got, header, body) = send(request.insert_header((REQUEST_ID, "r-9"))).await;
        assert_eq!((got.as_u16(), body["code"].as_str()), (status, Some(code)));
        assert_eq!((header.as_str(), body["request_id"].as_str()), ("r-9", Some("r-9")));
        assert_eq!(body["type"], format!("https://node.example/docs/errors#{code}"));
    }
}

#[actix_web::test]
async fn a_handler_knows_its_request_after_waiting_too() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = get("/context").insert_header((REQUEST_ID, "r-1")).insert_header(("traceparent", trace));
    assert_eq!(send(request).await.2["data"], serde_json::json!(["r-1", trace]));
    let request = get("/context").insert_header((REQUEST_ID, "r-1")).insert_header(("traceparent", "junk"));
    assert_eq!(send(request).await.2["data"], serde_json::json!(["r-1", ""]));
}

#[test]
fn requests_are_counted_by_group_and_class_and_never_by_path() {
    let (meters, recorder) = Meters::recorder().unwrap();
    metrics::with_local_recorder(&recorder, || {
        actix_web::rt::System::new().block_on(async {
            for n in 0..3 {
                send(get(&format!("/ok/{n}"))).await;
            }
            send(get("/api/v1/calls/7")).await;
            send(get("/+15550100")).await;
        });
    });
    let text = meters.render();
    let counted = |group: &str, status: &str, n: u32| {
        format!("voxledger_http_requests_total{{group=\"{group}\",method=\"GET\",status=\"{status}\"}} {n}")
    };
    assert!(text.contains(&counted("console", "2xx", 3)), "{text}");
    assert!(text.contains(&counted("console", "5xx", 0)), "{text}");
    assert!(text.contains(&counted("unmatched", "4xx", 2)) && !text.contains("15550100"), "{text}");
}
