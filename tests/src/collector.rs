//! An OpenTelemetry collector of the test's own: takes spans over OTLP/HTTP
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>) and remembers them.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

/// A span as it arrived. Ids are lower-case hexadecimal; no parent is an empty text.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Which trace.
    pub trace: String,
    /// Its id.
    pub id: String,
    /// Under which span.
    pub parent: String,
    /// Its name.
    pub name: String,
}

#[derive(Debug, Default)]
struct Heard {
    spans: Vec<Span>,
    raw: Vec<u8>,
}

/// A running collector.
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
    ///
    /// # Errors
    /// When it cannot listen.
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

    /// Whether these bytes stand anywhere in what arrived.
    #[must_use]
    pub fn heard_of(&self, text: &str) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.raw.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.0.stop(false).await;
    }
}

async fn take(heard: Data<Mutex<Heard>>, body: Bytes) -> HttpResponse {
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else {
        return HttpResponse::BadRequest().finish();
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(|span| Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
    });
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.spans.extend(spans);
    heard.raw.extend_from_slice(&body);
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}
