//! Sets telemetry up, and flushes it before the process ends.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use api_http::meters::{Meters, MetersError, Upkeep};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::json_lines::{JsonFields, JsonLines, for_the_tracer};
use super::log_writer::LogWriter;
use super::{panic_hook, trace_context, traces};
use crate::config::{LogFormat, TelemetryConfig};

/// Time limit for flushing the last lines and spans.
const FLUSH: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A thread cannot be started.
    #[error("cannot start a thread for telemetry")]
    Thread(#[source] io::Error),
    /// The trace exporter refuses its configuration.
    #[error("cannot export traces to `otlp_endpoint`")]
    Exporter(#[source] ExporterBuildError),
    /// Metrics cannot be recorded.
    #[error("cannot record metrics")]
    Meters(#[source] MetersError),
    /// The log of this process is already set up.
    #[error("the log is set up already")]
    Twice(#[source] TryInitError),
}

/// The telemetry of the process. Keep it until the end of `main`: dropping it flushes the last lines and spans,
/// on every way out.
pub struct Telemetry {
    meters: Meters,
    writer: LogWriter,
    tracer: Option<SdkTracerProvider>,
    _upkeep: Upkeep,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").field("exports_traces", &self.tracer.is_some()).finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Sets everything up, once per process. The log goes to standard error: standard output belongs
    /// to a command's result.
    pub fn start(config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        let (meters, upkeep) = Meters::install().map_err(TelemetryError::Meters)?;
        let writer = LogWriter::start(io::stderr()).map_err(TelemetryError::Thread)?;
        let address = config.traces_address();
        let tracer = address.map(|address| traces::provider(&address, config)).transpose()?;
        let spans = tracer.as_ref().map(|provider| {
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("voxledger"));
            layer.with_location(false).with_threads(false).with_filter(filter_fn(is_traced))
        });
        tracing_subscriber::registry()
            .with(lines(config, writer.clone()))
            .with(spans)
            .try_init()
            .map_err(TelemetryError::Twice)?;
        trace_context::set_exporting(tracer.is_some());
        panic_hook::install();
        Ok(Self { meters, writer, tracer, _upkeep: upkeep })
    }

    /// The metrics, for `GET /metrics`.
    #[must_use]
    pub fn meters(&self) -> Meters {
        self.meters.clone()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(tracer) = &self.tracer
            && let Err(error) = tracer.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
        self.writer.flush(FLUSH);
    }
}

fn lines<S>(config: &TelemetryConfig, writer: LogWriter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let terminal = io::stderr().is_terminal();
    let default = if terminal { LogFormat::Pretty } else { LogFormat::Json };
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(terminal);
    // a quiet log still says which request a warning belongs to
    let filter = filter_fn(is_span).or(config.log.build());
    match config.log_format.unwrap_or(default) {
        LogFormat::Json => layer.event_format(JsonLines).fmt_fields(JsonFields).with_filter(filter).boxed(),
        LogFormat::Pretty => {
            let fields = debug_fn(|writer, field, value| match field.name() {
                "message" => write!(writer, "{value:?} "),
                name if for_the_tracer(name) => Ok(()),
                name => write!(writer, "{name}={value:?} "),
            });
            layer.compact().fmt_fields(fields).with_filter(filter).boxed()
        }
    }
}

fn is_span(meta: &Metadata<'_>) -> bool {
    meta.is_span() && *meta.level() <= Level::INFO
}

/// Whether traces include it: spans, and warnings and errors in them. The access log's lines repeat their span.
fn is_traced(meta: &Metadata<'_>) -> bool {
    is_span(meta) || meta.is_event() && *meta.level() <= Level::WARN && meta.target() != "access"
}
