//! What the node says of itself.

use tracing_subscriber::EnvFilter;

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
        /// Share of traces begun here that are recorded.
        otlp_sample_ratio: Share = "otlp_sample_ratio", "1";
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
