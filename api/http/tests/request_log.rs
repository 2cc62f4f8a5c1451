//! The log of a request, in a process of its own: a subscriber of one test must not meet the requests of another.

use std::sync::{Arc, Mutex};

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use api_http::Answer;
use api_http::middleware::{Edge, REQUEST_ID};
use domain::ports::ids::Ids;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use uuid::Uuid;

#[derive(Debug)]
struct NoIds;

impl Ids for NoIds {
    fn next(&self) -> Uuid {
        Uuid::nil()
    }

    fn secret(&self) -> [u8; 32] {
        [0; 32]
    }
}

/// Keeps the `request.id` of the span each event stands in.
#[derive(Clone, Default)]
struct SeenIds(Arc<Mutex<Vec<Option<String>>>>);

struct RequestId(Option<String>);

impl Visit for RequestId {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "request.id" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SeenIds {
    fn on_new_span(&self, fields: &tracing::span::Attributes<'_>, id: &tracing::Id, context: Context<'_, S>) {
        let mut found = RequestId(None);
        fields.record(&mut found);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(found);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let span = context.event_span(event);
        let id = span.and_then(|span| span.extensions().get::<RequestId>().and_then(|id| id.0.clone()));
        if let Ok(mut seen) = self.0.lock() {
            seen.push(id);
        }
    }
}

#[actix_web::test]
async fn every_line_of_a_request_carries_its_id() {
    let seen = SeenIds::default();
    tracing_subscriber::registry().with(seen.clone()).init();
    let talk = async || {
        tracing::info!("before");
        tokio::task::yield_now().await;
        tracing::info!("after");
        Answer::data("")
    };
    let edge = Edge::new(Arc::new(NoIds), "");
    let app = init_service(App::new().route("/talk", web::get().to(talk)).wrap(edge)).await;
    let request = TestRequest::get().uri("/talk").insert_header((REQUEST_ID, "r-7"));
    call_service(&app, request.to_request()).await;
    // two lines of the handler's and the access log's
    let ids: Vec<_> = seen.0.lock().unwrap().iter().flatten().cloned().collect();
    assert_eq!(ids, ["r-7"; 3]);
}
