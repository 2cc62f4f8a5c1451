//! Passes W3C trace context (<https://www.w3.org/TR/trace-context/>) in and out of spans.
//!
//! Events and work items carry a `traceparent` as text, so that one trace crosses actors, restarts and nodes. The
//! inner crates know only `tracing`; they receive these functions.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, trace};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static EXPORTING: AtomicBool = AtomicBool::new(false);

/// Sets whether this process exports traces; false until this is called.
pub fn set_exporting(on: bool) {
    EXPORTING.store(on, Ordering::Relaxed);
}

/// Whether this process exports traces. If not, work that only serves traces may be skipped.
#[must_use]
pub fn is_exporting() -> bool {
    EXPORTING.load(Ordering::Relaxed)
}

/// The trace context of the current span; `None` when no tracer is set up.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// The trace context of a span; `None` when no tracer is set up.
#[must_use]
pub fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid()
        .then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}

/// Makes `span` a child of `traceparent`. Call it before the span is entered. Does nothing when the text is no
/// trace context, or no tracer is set up.
pub fn set_parent(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent) {
        // fails only without a tracer or on a span that has begun, and a lost parent must not cost the request
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// Renames the span in its trace. The field `otel.name` cannot do that: it counts only until the span has a child,
/// or its context was read.
pub fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// Whether the text is a trace context of a known version.
#[must_use]
pub fn is_traceparent(text: &str) -> bool {
    parse(text).is_some()
}

/// The trace id within a trace context; `None` when the text is no trace context.
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1).filter(|_| is_traceparent(traceparent))
}

fn parse(text: &str) -> Option<SpanContext> {
    let bytes = text.as_bytes();
    let lower_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    let well_formed = bytes.len() == 55
        && bytes
            .iter()
            .enumerate()
            .all(|(n, b)| if matches!(n, 2 | 35 | 52) { *b == b'-' } else { lower_hex(b) });
    // later versions may be longer; only version 00 is defined, and ff is forbidden
    if !well_formed || &text[..2] == "ff" {
        return None;
    }
    let trace_id = TraceId::from_hex(&text[3..35]).ok()?;
    let span_id = SpanId::from_hex(&text[36..52]).ok()?;
    let flags = u8::from_str_radix(&text[53..], 16).ok()?;
    let flags = TraceFlags::new(flags) & trace::TraceFlags::SAMPLED;
    let context = SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn a_span_continues_the_trace_it_was_given() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("step");
            set_parent(&span, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
            let here = span.in_scope(current_traceparent).unwrap();
            assert!(
                here.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && here.ends_with("-01"),
                "{here}"
            );
            assert!(!here.contains("00f067aa0ba902b7") && is_traceparent(&here), "{here}");
        });
        assert_eq!(current_traceparent(), None);
    }

    #[test]
    fn a_trace_context_is_read_as_the_specification_says() {
        let context = parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(context.is_sampled() && context.is_remote());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
