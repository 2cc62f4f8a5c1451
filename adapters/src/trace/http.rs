//! Spans of HTTP requests, which the other side can continue.

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use super::context::{is_exporting, traceparent_of};

const TRACEPARENT: &str = "traceparent";

/// The server that a request goes to, as its span names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer<'a> {
    /// Kind of the server, for example `telnyx`, `tool` or `webhook`.
    pub(crate) name: &'static str,
    /// The path with names in place of ids; `None` where others choose the path, which may hold a secret.
    pub(crate) template: Option<&'a str>,
}

/// Sends a request and waits for the head of the answer. Adds the `traceparent` of its span, unless the request has
/// one. Fails as [`RequestBuilder::send`].
pub(crate) async fn send(request: RequestBuilder, peer: Peer<'_>) -> Result<Response, reqwest::Error> {
    if !is_exporting() {
        return request.send().await;
    }
    let (client, request) = request.build_split();
    let mut request = request?;
    let open = Open::begin(http_span(request.method(), request.url(), peer));
    put_traceparent(&open.span, request.headers_mut());
    let sent = client.execute(request).instrument(open.span.clone()).await;
    match &sent {
        Ok(response) => open.answered(response.status().as_u16()),
        Err(error) => open.failed(transport_word(error)),
    }
    sent
}

fn http_span(method: &Method, url: &Url, peer: Peer<'_>) -> Span {
    let name = match peer.template {
        Some(template) => format!("{method} {template}"),
        None => method.to_string(),
    };
    info_span!(
        "http.client",
        otel.kind = "client",
        otel.name = name,
        otel.status_code = Empty,
        http.request.method = method.as_str(),
        url.template = peer.template,
        server.address = url.host_str(),
        server.port = url.port_or_known_default().map(i64::from),
        peer.service = peer.name,
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

/// Adds the span's `traceparent` header, unless there is one.
pub(super) fn put_traceparent(span: &Span, headers: &mut HeaderMap) {
    if headers.contains_key(TRACEPARENT) {
        return;
    }
    let value = traceparent_of(span).and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(value) = value {
        headers.insert(TRACEPARENT, value);
    }
}

/// A short word for the transport error, for the span's `error.type`.
pub(super) fn transport_word(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else {
        "transport"
    }
}

/// A span whose outcome is still unknown. Dropping it means that the caller stopped waiting.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) span: Span,
    pub(super) told: bool,
}

impl Open {
    pub(super) fn begin(span: Span) -> Self {
        Self { span, told: false }
    }

    /// Records the answer's status; from 400 on the span counts as failed.
    pub(super) fn answered(mut self, status: u16) {
        self.told = true;
        self.span.record("http.response.status_code", i64::from(status));
        if status >= 400 {
            self.error(&status.to_string());
        }
    }

    pub(super) fn failed(mut self, word: &str) {
        self.told = true;
        self.error(word);
    }

    /// Ends the span as successful.
    pub(super) fn done(mut self) {
        self.told = true;
    }

    fn error(&self, word: &str) {
        self.span.record("error.type", word);
        self.span.record("otel.status_code", "ERROR");
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.told {
            self.error("cancelled");
        }
    }
}
