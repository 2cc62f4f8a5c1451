//! Spans on their way to a collector, over OTLP/HTTP.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};

use super::start::TelemetryError;
use crate::config::{HttpUrl, Share};

/// Spans that may wait for the collector; more are dropped.
const QUEUE: usize = 8192;
/// How long the collector may take for a batch.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A tracer that sends to `endpoint` from a thread of its own. Ending a span puts it into a bounded queue and
/// never waits, whether the collector answers or not.
pub(super) fn provider(endpoint: &HttpUrl, sampled: Share) -> Result<SdkTracerProvider, TelemetryError> {
    adapters::http::use_ring();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.as_str()))
        .with_timeout(TIMEOUT)
        .build()
        .map_err(TelemetryError::Exporter)?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(512)
        .with_scheduled_delay(Duration::from_secs(2))
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let resource = Resource::builder()
        .with_service_name("voxledger")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sampled.0))))
        .with_resource(resource)
        .build())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use opentelemetry::trace::{Tracer as _, TracerProvider as _};

    use super::super::super::config::{Config, Sources};
    use super::*;

    /// P10: the listener takes connections into its backlog and never answers.
    #[test]
    fn a_collector_that_never_answers_holds_nobody_up() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let environment = vec![("VOXLEDGER_OTLP_ENDPOINT".to_owned(), endpoint)];
        let config = Config::load(&Sources { environment, ..Sources::default() }).unwrap();
        let provider = provider(config.telemetry.otlp_endpoint.as_ref().unwrap(), Share(1.0)).unwrap();
        let tracer = provider.tracer("test");
        // ten times what the queue holds: were a span waited for, this would take a timeout for each batch
        let started = std::time::Instant::now();
        for _ in 0..QUEUE * 10 {
            tracer.start("span");
        }
        assert!(started.elapsed() < TIMEOUT, "ending a span waited for the collector");
        let _ = provider.shutdown_with_timeout(Duration::from_millis(10));
    }
}
