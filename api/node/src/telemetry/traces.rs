//! Exports spans to a collector over OTLP/HTTP.

use std::env;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Compression, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};

use super::start::TelemetryError;
use crate::config::{OtlpCompression, OtlpSampler, TelemetryConfig};

/// The most spans that wait for the collector; more are dropped.
const QUEUE: usize = 8192;

/// A tracer that sends to `address` from a thread of its own. Ending a span puts it into a bounded queue and never
/// waits, whether the collector answers or not.
pub(super) fn provider(address: &str, config: &TelemetryConfig) -> Result<SdkTracerProvider, TelemetryError> {
    adapters::http::use_ring();
    let mut exporter =
        SpanExporter::builder().with_http().with_endpoint(address).with_timeout(config.otlp_timeout_ms);
    if let Some(headers) = &config.otlp_headers {
        exporter = exporter.with_headers(headers.reveal().clone().into_iter().collect());
    }
    if config.otlp_compression == OtlpCompression::Gzip {
        exporter = exporter.with_compression(Compression::Gzip);
    }
    let exporter = exporter.build().map_err(TelemetryError::Exporter)?;
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches().build()).build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(sampler(config))
        .with_resource(resource(config))
        .build())
}

/// Batch settings; the defaults of the standard variables (`OTEL_BSP_…`) are for programs with fewer spans.
fn batches() -> BatchConfigBuilder {
    let unset = |variable| env::var_os(variable).is_none();
    let mut batches = BatchConfigBuilder::default();
    if unset("OTEL_BSP_MAX_QUEUE_SIZE") {
        batches = batches.with_max_queue_size(QUEUE);
    }
    if unset("OTEL_BSP_SCHEDULE_DELAY") {
        batches = batches.with_scheduled_delay(Duration::from_secs(2));
    }
    batches
}

fn sampler(config: &TelemetryConfig) -> Sampler {
    let share = Sampler::TraceIdRatioBased(config.otlp_sample_ratio.0);
    let under_parent = |root| Sampler::ParentBased(Box::new(root));
    match config.otlp_sampler {
        OtlpSampler::AlwaysOn => Sampler::AlwaysOn,
        OtlpSampler::AlwaysOff => Sampler::AlwaysOff,
        OtlpSampler::Ratio => share,
        OtlpSampler::ParentOrOn => under_parent(Sampler::AlwaysOn),
        OtlpSampler::ParentOrOff => under_parent(Sampler::AlwaysOff),
        OtlpSampler::ParentOrRatio => under_parent(share),
    }
}

fn resource(config: &TelemetryConfig) -> Resource {
    let given = config.otlp_resource_attributes.iter().flat_map(|attributes| &attributes.0);
    let named = config.otlp_resource_attributes.as_ref().and_then(|given| given.0.get("service.name"));
    let name = config.otlp_service_name.as_ref().or(named).cloned();
    Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(given.map(|(name, value)| KeyValue::new(name.clone(), value.clone())))
        .with_service_name(name.unwrap_or_else(|| "voxledger".to_owned()))
        .build()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use opentelemetry::trace::{Tracer as _, TracerProvider as _};

    use super::super::super::config::{Config, Sources};
    use super::*;

    /// P10: the listener accepts connections into its backlog and never answers.
    #[test]
    fn a_collector_that_never_answers_holds_nobody_up() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let environment = vec![("VOXLEDGER_OTLP_ENDPOINT".to_owned(), endpoint)];
        let config = Config::load(&Sources { environment, ..Sources::default() }).unwrap();
        let address = config.telemetry.traces_address().unwrap();
        let provider = provider(&address, &config.telemetry).unwrap();
        let tracer = provider.tracer("test");
        // ten times what the queue holds: if spans waited, this would take a timeout for each batch
        let started = std::time::Instant::now();
        for _ in 0..QUEUE * 10 {
            tracer.start("span");
        }
        assert!(
            started.elapsed() < config.telemetry.otlp_timeout_ms,
            "ending a span waited for the collector"
        );
        let _ = provider.shutdown_with_timeout(Duration::from_millis(10));
    }
}
