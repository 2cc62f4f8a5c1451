//! What the node says of itself.

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
        /// How the collector is spoken to; only `http/protobuf`.
        otlp_protocol: OtlpProtocol = "otlp_protocol", "http/protobuf";
        /// `none` or `gzip`.
        otlp_compression: OtlpCompression = "otlp_compression", "none";
        /// Headers for the collector, as `name=value,name=value` with percent-encoded values.
        otlp_headers: Option<OtlpHeaders> = "otlp_headers", "";
        /// How long the collector may take for a batch of spans.
        otlp_timeout_ms: Duration = "otlp_timeout_ms", "5000";
        /// The node's name in traces; `service.name` of the attributes, else `voxledger`, when not set.
        otlp_service_name: Option<String> = "otlp_service_name", "";
        /// What else traces say of the node, as `name=value,name=value` with percent-encoded values.
        otlp_resource_attributes: Option<ResourceAttributes> = "otlp_resource_attributes", "";
        /// Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or `parentbased_` and one of them.
        otlp_sampler: OtlpSampler = "otlp_sampler", "parentbased_traceidratio";
        /// Share of traces begun here that are recorded.
        otlp_sample_ratio: Share = "otlp_sample_ratio", "1";
        /// `otlp`, or `none` for no traces; with `otlp` and no endpoint they go to `http://localhost:4318`.
        otlp_exporter: Option<OtlpExporter> = "otlp_exporter", "";
        /// No traces, whatever else is set.
        otlp_disabled: bool = "otlp_disabled", "false";
    }
}

/// Where collectors listen on their own machine.
const LOCAL_COLLECTOR: &str = "http://localhost:4318";

impl TelemetryConfig {
    /// Where traces go; `None` when they go nowhere.
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

/// A filter of `tracing-subscriber`, known to be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter, made anew.
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

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines, an object a line.
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
