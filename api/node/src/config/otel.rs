//! The environment variables that every OpenTelemetry SDK reads
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>), mapped to our settings.
//!
//! They override the file, and our own variables override them. Those about metrics and logs are ignored:
//! Prometheus reads metrics at `/metrics`, and the log goes to standard error.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};

use super::value::Value;

/// Each variable with the key of its setting; one about traces alone comes after the one about every
/// signal, which it overrides.
pub(super) const STANDARD: &[(&str, &str)] = &[
    ("OTEL_SDK_DISABLED", "otlp_disabled"),
    ("OTEL_TRACES_EXPORTER", "otlp_exporter"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "otlp_traces_endpoint"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "otlp_protocol"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "otlp_protocol"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "otlp_compression"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "otlp_compression"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "otlp_headers"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "otlp_headers"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "otlp_timeout_ms"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "otlp_timeout_ms"),
    ("OTEL_SERVICE_NAME", "otlp_service_name"),
    ("OTEL_RESOURCE_ATTRIBUTES", "otlp_resource_attributes"),
    ("OTEL_TRACES_SAMPLER", "otlp_sampler"),
    ("OTEL_TRACES_SAMPLER_ARG", "otlp_sample_ratio"),
];

/// Translates a variable's value into the setting's form. In the specification every text but `true` means no.
pub(super) fn in_our_words(variable: &str, value: &str) -> String {
    match variable {
        "OTEL_SDK_DISABLED" => value.trim().eq_ignore_ascii_case("true").to_string(),
        _ => value.to_owned(),
    }
}

macro_rules! choices {
    ($($(#[doc = $doc:literal])* $name:ident: $accepts:literal { $($(#[doc = $choice:literal])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $choice])* $variant,)* }

        impl Value for $name {
            const ACCEPTS: &'static str = $accepts;

            fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    )*};
}

choices! {
    /// The exporter that receives traces.
    OtlpExporter: "otlp or none" {
        /// Traces are sent to a collector.
        Otlp = "otlp",
        /// Traces are not exported.
        None = "none",
    }

    /// The protocol for talking to a collector.
    OtlpProtocol: "http/protobuf, the only one that is spoken here" {
        /// Protocol buffers over HTTP, the only protocol supported.
        HttpProtobuf = "http/protobuf",
    }

    /// The compression of exported batches.
    OtlpCompression: "none or gzip" {
        /// Batches are sent uncompressed.
        None = "none",
        /// Batches are compressed with gzip (`Content-Encoding: gzip`).
        Gzip = "gzip",
    }

    /// The rule by which traces are recorded.
    OtlpSampler: "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio" {
        /// Every trace is recorded.
        AlwaysOn = "always_on",
        /// No trace is recorded.
        AlwaysOff = "always_off",
        /// A share of the traces is recorded.
        Ratio = "traceidratio",
        /// The caller's decision applies; traces that begin here are recorded.
        ParentOrOn = "parentbased_always_on",
        /// The caller's decision applies; traces that begin here are not recorded.
        ParentOrOff = "parentbased_always_off",
        /// The caller's decision applies; a share of the traces that begin here is recorded.
        ParentOrRatio = "parentbased_traceidratio",
    }
}

/// Parses `name=value,name=value` with percent-encoded values.
fn pairs(text: &str) -> Option<BTreeMap<String, String>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?.into_owned();
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), value))
    };
    text.split(',').filter(|one| !one.trim().is_empty()).map(pair).collect()
}

/// Headers for the collector, which may hold credentials. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpHeaders(BTreeMap<String, String>);

impl OtlpHeaders {
    /// The headers by name, to be sent with every batch.
    #[must_use]
    pub fn reveal(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl std::fmt::Debug for OtlpHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OtlpHeaders(…)")
    }
}

impl Value for OtlpHeaders {
    const ACCEPTS: &'static str = "headers as name=value,name=value, with percent-encoded values";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        let headers = pairs(text)?;
        let sendable = |(name, value): (&String, &String)| {
            name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok()
        };
        headers.iter().all(sendable).then_some(Self(headers))
    }
}

/// Additional attributes of the node in its traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceAttributes(pub BTreeMap<String, String>);

impl Value for ResourceAttributes {
    const ACCEPTS: &'static str = "attributes as name=value,name=value, with percent-encoded values";

    fn parse(text: &str) -> Option<Self> {
        pairs(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources};
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let environment = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::load(&Sources { environment, ..Sources::default() }).map_err(|error| error.to_string())
    }

    #[test]
    fn standard_variables_stand_for_settings() {
        let config = load(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer%20k%2C1, x-b = 2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
        ]);
        let telemetry = config.unwrap().telemetry;
        assert_eq!(telemetry.traces_address().as_deref(), Some("http://collector:4318/v1/traces"));
        let headers = telemetry.otlp_headers.unwrap();
        assert_eq!(headers.reveal()["authorization"], "Bearer k,1");
        assert_eq!(headers.reveal()["x-b"], "2");
        assert!(!headers.reveal().contains_key("x-a") && !format!("{headers:?}").contains("Bearer"));
        assert_eq!(telemetry.otlp_timeout_ms.as_millis(), 250);
        assert_eq!(telemetry.otlp_compression, OtlpCompression::Gzip);
        assert_eq!((telemetry.otlp_sampler, telemetry.otlp_sample_ratio.0), (OtlpSampler::Ratio, 0.25));
        assert_eq!(telemetry.otlp_resource_attributes.unwrap().0["deployment.environment.name"], "test");
    }

    #[test]
    fn the_address_of_traces_is_taken_as_it_is_and_our_own_variables_win() {
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other:1/in");
        let address = |pairs: &[_]| load(pairs).unwrap().telemetry.traces_address();
        assert_eq!(address(&[traces]).as_deref(), Some("http://other:1/in"));
        let own = ("VOXLEDGER_OTLP_ENDPOINT", "http://own:2");
        assert_eq!(address(&[own, traces]).as_deref(), Some("http://own:2/v1/traces"));
        assert_eq!(
            address(&[own, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://o:3")]).as_deref(),
            Some("http://own:2/v1/traces")
        );
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(address(&[own, off]), None);
        }
        assert!(address(&[own, ("OTEL_SDK_DISABLED", "1")]).is_some());
        assert_eq!(
            address(&[("OTEL_TRACES_EXPORTER", "otlp")]).as_deref(),
            Some("http://localhost:4318/v1/traces")
        );
        assert_eq!(address(&[]), None);
    }

    #[test]
    fn what_is_not_spoken_here_is_refused_with_what_would_do() {
        for (variable, value, said) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "give http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "give http/protobuf"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote", "give always_on"),
            ("OTEL_TRACES_EXPORTER", "zipkin", "give otlp or none"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hush", "give headers as name=value"),
        ] {
            let text = load(&[(variable, value)]).unwrap_err();
            assert!(text.contains(variable) && text.contains(said) && !text.contains("hush"), "{text}");
        }
    }
}
