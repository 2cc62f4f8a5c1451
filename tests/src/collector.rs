//! An OpenTelemetry collector of the test's own: takes spans over OTLP/HTTP
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>) and remembers them.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Text(String),
    Int(i64),
    /// Of a type that no test looks at: a fraction, a list, ….
    Other,
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// A span as it arrived. Ids are lower-case hexadecimal; no parent is an empty text.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    /// On which side of something it is.
    pub kind: SpanKind,
    pub attributes: BTreeMap<String, Attribute>,
    /// Whether it is told to have failed.
    pub failed: bool,
}

impl Span {
    /// Whether it has this attribute.
    #[must_use]
    pub fn has(&self, name: &str, value: impl Into<Attribute>) -> bool {
        self.attributes.get(name) == Some(&value.into())
    }

    /// The `traceparent` of what continues it.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.id)
    }
}

#[derive(Debug, Default)]
struct Heard {
    spans: Vec<Span>,
    resource: BTreeMap<String, Attribute>,
    headers: BTreeMap<String, String>,
    raw: Vec<u8>,
}

#[derive(Debug)]
pub struct Collector {
    /// What to set as `VOXLEDGER_OTLP_ENDPOINT`.
    pub endpoint: String,
    heard: Arc<Mutex<Heard>>,
    server: Handle,
}

struct Handle(ServerHandle);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Collector {
    /// Starts one on a free port. Needs a tokio runtime.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let heard = Arc::new(Mutex::new(Heard::default()));
        let data = Data::from(heard.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(PayloadConfig::new(64 << 20))
                .route("/v1/traces", web::post().to(take))
        });
        let server = server.workers(1).disable_signals().listen(listener)?.run();
        let handle = Handle(server.handle());
        tokio::spawn(server);
        Ok(Self { endpoint, heard, server: handle })
    }

    /// Every span of a trace so far.
    #[must_use]
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.spans.iter().filter(|span| span.trace == trace).cloned().collect()
    }

    /// What the last batch says of the node.
    #[must_use]
    pub fn resource(&self) -> BTreeMap<String, Attribute> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).resource.clone()
    }

    /// The headers of the last batch.
    #[must_use]
    pub fn headers(&self) -> BTreeMap<String, String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).headers.clone()
    }

    /// Every span so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }

    /// Whether these bytes stand anywhere in what arrived.
    #[must_use]
    pub fn heard_of(&self, text: &str) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.raw.windows(text.len()).any(|window| window == text.as_bytes())
    }

    pub async fn stop(self) {
        self.server.0.stop(false).await;
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, Attribute> {
    let value = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => Attribute::Text(text.clone()),
        Some(Value::IntValue(number)) => Attribute::Int(*number),
        _ => Attribute::Other,
    };
    of.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

async fn take(request: HttpRequest, heard: Data<Mutex<Heard>>, body: Bytes) -> HttpResponse {
    let headers = request.headers().iter();
    let headers: BTreeMap<_, _> = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else {
        return HttpResponse::BadRequest().finish();
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let resource = request.resource_spans.first().and_then(|spans| spans.resource.as_ref());
    let resource = resource.map(|resource| attributes(&resource.attributes)).unwrap_or_default();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(|span| Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind(),
        attributes: attributes(&span.attributes),
        failed: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
        name: span.name,
    });
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.spans.extend(spans);
    heard.raw.extend_from_slice(&body);
    (heard.resource, heard.headers) = (resource, headers);
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}
