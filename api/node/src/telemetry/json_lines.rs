//! Log lines as JSON, an object each: `{"timestamp", "level", "target", …the event's fields, "spans": [{…}]}`.
//!
//! A span's fields are written once, when they are recorded, and copied into each of its lines. Fields for the
//! tracer alone (`otel.…`, `messaging.…`) are left out. Where traces are exported a line has the `trace_id` and
//! `span_id` it belongs to.

use std::fmt;

use opentelemetry::trace::TraceContextExt as _;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::trace_context;

/// Writes the fields of spans and events as `,"name":value`.
#[derive(Debug)]
pub(super) struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Pairs { writer, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

/// Writes an event's line, around fields that [`JsonFields`] wrote.
#[derive(Debug)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",\"target\":\"{}\"", meta.level(), meta.target())?;
        context.format_fields(writer.by_ref(), event)?;
        write_trace(context, &mut writer)?;
        if let Some(scope) = context.event_scope() {
            writer.write_str(",\"spans\":[")?;
            for (n, span) in scope.from_root().enumerate() {
                let comma = if n > 0 { "," } else { "" };
                write!(writer, "{comma}{{\"name\":\"{}\"", span.name())?;
                if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                    writer.write_str(fields)?;
                }
                writer.write_char('}')?;
            }
            writer.write_char(']')?;
        }
        writer.write_str("}\n")
    }
}

/// Whether a field matters only in traces, and is left out of the log.
pub(super) fn for_the_tracer(field: &str) -> bool {
    field.starts_with("otel.") || field.starts_with("messaging.")
}

/// Writes the ids of the trace and span that the line belongs to.
fn write_trace<S, N>(context: &FmtContext<'_, S, N>, writer: &mut Writer<'_>) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let Some(span) = context.lookup_current().filter(|_| trace_context::is_exporting()) else {
        return Ok(());
    };
    let found = tracing::dispatcher::get_default(|dispatch| get_otel_context(&span.id(), dispatch));
    let Some(found) = found else { return Ok(()) };
    let span = found.span();
    let span = span.span_context();
    if !span.is_valid() {
        return Ok(());
    }
    write!(writer, ",\"trace_id\":\"{}\",\"span_id\":\"{}\"", span.trace_id(), span.span_id())
}

struct Pairs<'w> {
    writer: Writer<'w>,
    result: fmt::Result,
}

impl Pairs<'_> {
    fn pair(&mut self, field: &Field, value: impl Serialize) {
        if for_the_tracer(field.name()) || self.result.is_err() {
            return;
        }
        self.result = serde_json::to_string(&value)
            .map_err(|_| fmt::Error)
            .and_then(|json| write!(self.writer, ",\"{}\":{json}", field.name()));
    }
}

impl Visit for Pairs<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.pair(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pair(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pair(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pair(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.pair(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.pair(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::{info, info_span};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_an_object_with_the_fields_of_its_event_and_spans() {
        let kept = Kept::default();
        let sink = kept.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(JsonLines)
            .fmt_fields(JsonFields)
            .with_writer(move || sink.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = info_span!(
                "http.request",
                otel.kind = "server",
                request.id = "a\"b",
                n = tracing::field::Empty
            );
            let _span = span.enter();
            span.record("n", 2);
            info!(target: "access", status = 200_u16, error = None::<&str>, "request\nserved");
            info!("inner {}", 1);
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0]["message"], "request\nserved");
        assert_eq!(lines[0]["status"], 200);
        assert_eq!(lines[0]["target"], "access");
        assert_eq!(lines[1]["message"], "inner 1");
        assert_eq!(lines[1]["spans"], json!([{"name": "http.request", "request.id": "a\"b", "n": 2}]));
    }
}
