//! Spans of language model requests, which last until the answer is complete.

use domain::model::Usage;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::context::is_exporting;
use super::http::{Open, put_traceparent};

/// The span of a request to a model; empty where no traces are exported. Dropping it before its end is recorded
/// means that the caller stopped waiting.
#[derive(Debug)]
pub(crate) struct ModelSpan(Option<Open>);

impl ModelSpan {
    /// Starts a span. `operation` is `chat` or `embeddings`, `provider` this program's name of the provider, `base` the
    /// address of its API.
    pub(crate) fn begin(operation: &'static str, provider: &'static str, model: &str, base: &str) -> Self {
        if !is_exporting() {
            return Self(None);
        }
        let url = reqwest::Url::parse(base).ok();
        let provider = if provider == "google" { "gcp.gemini" } else { provider };
        let span = info_span!(
            "gen_ai.client",
            otel.kind = "client",
            otel.name = format!("{operation} {model}"),
            otel.status_code = Empty,
            gen_ai.operation.name = operation,
            gen_ai.provider.name = provider,
            gen_ai.request.model = model,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            server.address = url.as_ref().and_then(|url| url.host_str()),
            server.port = url.as_ref().and_then(|url| url.port_or_known_default()).map(i64::from),
            http.response.status_code = Empty,
            error.type = Empty,
        );
        Self(Some(Open::begin(span)))
    }

    /// Adds the span's trace context to the request.
    pub(crate) fn carried_by(&self, request: RequestBuilder) -> RequestBuilder {
        let mut headers = HeaderMap::new();
        put_traceparent(&self.span(), &mut headers);
        request.headers(headers)
    }

    /// Records a status that the provider answered, perhaps one of several.
    pub(crate) fn status(&self, status: u16) {
        self.span().record("http.response.status_code", i64::from(status));
    }

    /// Records the tokens used so far.
    pub(crate) fn usage(&self, usage: Usage) {
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let span = self.span();
        span.record("gen_ai.usage.input_tokens", count(usage.input));
        span.record("gen_ai.usage.output_tokens", count(usage.output));
    }

    /// Marks the answer as complete; usage may still arrive until this is dropped.
    pub(crate) fn whole(&mut self) {
        if let Some(open) = &mut self.0 {
            open.told = true;
        }
    }

    /// Ends the span; `failure` names the kind of failure, if there was one.
    pub(crate) fn end(&mut self, failure: Option<&str>) {
        match (self.0.take(), failure) {
            (Some(open), Some(word)) => open.failed(word),
            (Some(open), None) => open.done(),
            (None, _) => {}
        }
    }

    fn span(&self) -> Span {
        self.0.as_ref().map_or_else(Span::none, |open| open.span.clone())
    }
}
