//! Settings of logs and traces.

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::otel::{
    OtlpCompression, OtlpExporter, OtlpHeaders, OtlpProtocol, OtlpSampler, ResourceAttributes,
};
use super::setting::section;
use super::value::{HttpUrl, Share, Value};

section! {
    /// Logs and traces. Metrics need no setting: `GET /metrics` is always there.
    pub struct TelemetryConfig {
        /// What is logged: a level, or `target=level` pairs with commas between them.
        log: LogFilter = "log", "info";
        /// `pretty` or `json`; `pretty` on a terminal, else `json`, when not set.
        log_format: Option<LogFormat> = "log_format", "";
        /// Where traces go over OTLP/HTTP, for example `http://localhost:4318` (Jaeger); off when not set.
        otlp_endpoint: Option<HttpUrl> = "otlp_endpoint", "";
        /// The whole address traces go to, in place of `VOXLEDGER_OTLP_ENDPOINT` with `/v1/traces`.
        otlp_traces_endpoint: Option<HttpUrl> = "otlp_traces_endpoint", "";
        /// Protocol of the collector; only `http/protobuf`.
        otlp_protocol: OtlpProtocol = "otlp_protocol", "http/protobuf";
        /// Compression of exported batches: `none` or `gzip`.
        otlp_compression: OtlpCompression = "otlp_compression", "none";
        /// Headers for the collector, as `name=value,name=value` with percent-encoded values.
        otlp_headers: Option<OtlpHeaders> = "otlp_headers", "";
        /// How long the collector may take for a batch of spans.
        otlp_timeout_ms: Duration = "otlp_timeout_ms", "5000";
        /// The node's name in traces; `service.name` of the attributes, else `voxledger`, when not set.
        otlp_service_name: Option<String> = "otlp_service_name", "";
        /// Further attributes of the node in traces, as `name=value,name=value` with percent-encoded values.
        otlp_resource_attributes: Option<ResourceAttributes> = "otlp_resource_attributes", "";
        /// Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or `parentbased_` and one of them.
        otlp_sampler: OtlpSampler = "otlp_sampler", "parentbased_traceidratio";
        /// Share of traces begun here that are recorded.
        otlp_sample_ratio: Share = "otlp_sample_ratio", "1";
        /// `otlp`, or `none` for no traces; with `otlp` and no endpoint they go to `http://localhost:4318`.
        otlp_exporter: Option<OtlpExporter> = "otlp_exporter", "";
        /// Export no traces, whatever else is set.
        otlp_disabled: bool = "otlp_disabled", "false";
    }
}

/// The default address of a collector on the same machine.
const LOCAL_COLLECTOR: &str = "http://localhost:4318";

impl TelemetryConfig {
    /// The address that traces are sent to; `None` when they are not exported.
    #[must_use]
    pub fn traces_address(&self) -> Option<String> {
        if self.otlp_disabled || self.otlp_exporter == Some(OtlpExporter::None) {
            return None;
        }
        if let Some(whole) = &self.otlp_traces_endpoint {
            return Some(whole.as_str().to_owned());
        }
        let wanted = self.otlp_exporter.map(|_| LOCAL_COLLECTOR);
        let endpoint = self.otlp_endpoint.as_ref().map(HttpUrl::as_str).or(wanted);
        endpoint.map(|endpoint| format!("{endpoint}/v1/traces"))
    }
}

/// A valid filter of `tracing-subscriber`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// Builds the filter from its text.
    #[must_use]
    pub fn build(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

impl Value for LogFilter {
    const ACCEPTS: &'static str = "error, warn, info, debug, trace or off, or `target=level` pairs";

    fn parse(text: &str) -> Option<Self> {
        EnvFilter::builder().parse(text).ok().map(|_| Self(text.to_owned()))
    }
}

/// Format of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Coloured lines for people.
    Pretty,
    /// One JSON object per line, for machines.
    Json,
}

impl Value for LogFormat {
    const ACCEPTS: &'static str = "pretty or json";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "pretty" => Some(Self::Pretty),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}
