//! The outermost middleware.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use domain::ports::ids::Ids;
use pin_project_lite::pin_project;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Span, debug, error, info, info_span, warn};

use super::once_a_second::OnceASecond;
use super::rate_limit;
use super::request_id::{REQUEST_ID, request_id};
use super::route_meters::{RouteMeters, method_label};
use crate::client_ip::ClientIp;
use crate::context::RequestContext;
use crate::problem::ApiError;
use adapters::trace::context as trace_context;

/// Wraps the whole app: `App::new().wrap(edge.clone())`, as the outermost middleware.
///
/// It gives every request an id, which stands in the response (`X-Request-Id`), in the context that problems and
/// envelopes read, and in the span of all its log lines; it counts and times the request by route, and writes one
/// line to the log. A handler that panics answers 500.
#[derive(Clone)]
pub struct Edge {
    ids: Arc<dyn Ids>,
    public_url: Arc<str>,
    draining: CancellationToken,
}

impl Edge {
    /// `public_url` is the node's address for clients, without a slash at its end.
    pub fn new(ids: Arc<dyn Ids>, public_url: impl Into<Arc<str>>) -> Self {
        Self { ids, public_url: public_url.into(), draining: CancellationToken::new() }
    }

    /// Once the node is `draining`, every answer closes its connection, so that clients reconnect to another node.
    #[must_use]
    pub fn closing_while(self, draining: CancellationToken) -> Self {
        Self { draining, ..self }
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<EdgeService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { edge: self.clone(), service, meters: Rc::default() }))
    }
}

pub struct EdgeService<S> {
    edge: Edge,
    service: S,
    meters: Rc<RouteMeters>,
}

impl<S> fmt::Debug for EdgeService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.edge.fmt(f)
    }
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Around<S::Future>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let headers = request.headers();
        let (id, header) = request_id(headers, &*self.edge.ids);
        let traceparent = traceparent(headers);
        let method = method_label(request.method());
        let span = info_span!(
            "http.request",
            request.id = &*id,
            trace_id = Empty,
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = Empty,
            http.route = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
        );
        if let Some(traceparent) = &traceparent {
            if trace_context::is_exporting() {
                trace_context::set_parent(&span, traceparent);
            } else {
                // no span carries the trace then, so the log names it
                span.record("trace_id", trace_context::trace_id(traceparent));
            }
        }
        let ip = ClientIp::of(request.request());
        let context = RequestContext::from(id, self.edge.public_url.clone(), traceparent, ip);
        let inner = {
            let _context = context.enter();
            let _span = span.enter();
            self.service.call(request)
        };
        let (meters, draining) = (self.meters.clone(), self.edge.draining.clone());
        Around { inner, seen: RequestRecord { context, span, header, method, started, meters, draining } }
    }
}

fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    trace_context::is_traceparent(text).then(|| text.to_owned())
}

pin_project! {
    /// Future of a request that is being served.
    pub struct Around<F> {
        #[pin]
        inner: F,
        seen: RequestRecord,
    }
}

impl<F> fmt::Debug for Around<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seen.context.fmt(f)
    }
}

impl<F, B> Future for Around<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _context = this.seen.context.enter();
        let span = this.seen.span.clone();
        let _span = span.enter();
        // after a panic the future is only dropped, so nobody sees its inconsistent state
        match catch_unwind(AssertUnwindSafe(|| this.inner.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(Ok(this.seen.answer(response))),
            Ok(Poll::Ready(Err(error))) => Poll::Ready(Err(this.seen.give_up(&error))),
            // the panic hook has logged the location
            Err(_) => Poll::Ready(Err(this.seen.give_up(&ApiError::internal("the handler panicked").into()))),
        }
    }
}

/// Everything known of a request while it is served.
struct RequestRecord {
    context: RequestContext,
    span: Span,
    header: HeaderValue,
    method: &'static str,
    started: Instant,
    meters: Rc<RouteMeters>,
    draining: CancellationToken,
}

impl RequestRecord {
    fn answer<B>(&self, mut response: ServiceResponse<B>) -> ServiceResponse<B> {
        let status = response.status();
        let pattern = response.request().match_pattern();
        let problem = response.response().error().and_then(Error::as_error::<ApiError>);
        self.record(pattern.as_deref().unwrap_or("unmatched"), status, problem);
        self.put_headers(response.headers_mut());
        if self.draining.is_cancelled() {
            response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }

    /// Answers an error that no handler answered; actix would build the response outside of the request's context.
    fn give_up(&self, error: &Error) -> Error {
        let mut response = error.error_response();
        self.record("unmatched", response.status(), error.as_error::<ApiError>());
        self.put_headers(response.headers_mut());
        InternalError::from_response("answered", response).into()
    }

    /// Adds the request's id and, if the sender is known, the state of its rate limits.
    fn put_headers(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.header.clone());
        if let Some(standing) = self.context.standing() {
            rate_limit::put(headers, &standing);
        }
    }

    fn record(&self, route: &str, status: StatusCode, problem: Option<&ApiError>) {
        let took = self.started.elapsed();
        self.meters.record(route, self.method, status, took);
        let (method, code, micros) = (self.method, status.as_u16(), took.as_micros() as u64);
        if trace_context::is_exporting() {
            self.span.record("http.request.method", method);
            self.span.record("http.route", route);
            self.span.record("http.response.status_code", i64::from(code));
            trace_context::rename(&self.span, format!("{method} {route}"));
            if status.is_server_error() {
                self.span
                    .record("error.type", problem.map_or(status.as_str(), |problem| problem.code().as_str()));
                self.span.record("otel.status_code", "ERROR");
            }
        }
        let error = problem.map(|problem| problem.code().as_str());
        let cause = problem.and_then(ApiError::causes);
        match status.as_u16() {
            500.. if status != StatusCode::SERVICE_UNAVAILABLE => {
                error!(target: ACCESS, method, route, status = code, micros, error, cause, "request failed");
            }
            503 => match REFUSALS.due() {
                Some(unsaid) => {
                    warn!(target: ACCESS, method, route, status = code, micros, error, cause, unsaid, "request refused");
                }
                None => {
                    debug!(target: ACCESS, method, route, status = code, micros, error, "request refused")
                }
            },
            _ if PROBES.contains(&route) => {
                debug!(target: ACCESS, method, route, status = code, micros, "request served");
            }
            _ => info!(target: ACCESS, method, route, status = code, micros, error, "request served"),
        }
    }
}

/// Limits log lines about refusals: an overloaded node must not write one for each request.
static REFUSALS: OnceASecond = OnceASecond::new();

/// Log target of the access log, to filter it: `VOXLEDGER_LOG=info,access=warn`.
const ACCESS: &str = "access";
/// Paths that machines poll every few seconds; at `info` they would fill the log.
const PROBES: &[&str] = &["/healthz", "/readyz", "/metrics"];
