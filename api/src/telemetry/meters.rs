//! Metrics: what is measured, in which buckets, and how it is shown.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{fmt, thread};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::start::TelemetryError;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MeterKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Sorted into buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// A metric the node shows.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: MeterKind,
    /// What it is counted in.
    pub unit: Unit,
    /// One sentence.
    pub help: &'static str,
}

/// From a memory access to a carrier's patience, in seconds.
const LATENCY: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];
/// Sizes in powers of two.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0];

const fn meter(name: &'static str, kind: MeterKind, unit: Unit, help: &'static str) -> Meter {
    Meter { name, kind, unit, help }
}

use MeterKind::{Counter, Gauge, Histogram};

/// Every metric of the node.
pub const METERS: &[Meter] = &[
    meter(
        "voxledger_append_seconds",
        Histogram(LATENCY),
        Unit::Seconds,
        "From asking for an append to its being on disk.",
    ),
    meter("voxledger_append_batch_events", Histogram(SIZES), Unit::Count, "Events in one commit of the log."),
    meter("voxledger_append_queue_depth", Gauge, Unit::Count, "Appends that wait for the writer."),
    meter("voxledger_mailbox_depth", Gauge, Unit::Count, "Commands that wait for actors."),
    meter("voxledger_live_actors", Gauge, Unit::Count, "Actors in memory."),
    meter(
        "voxledger_projection_made_anew_total",
        Counter,
        Unit::Count,
        "Times a view held events that are not in the log and began anew.",
    ),
    meter("voxledger_projection_lag_events", Gauge, Unit::Count, "Events a view has yet to see."),
    meter(
        "voxledger_projection_lag_seconds",
        Gauge,
        Unit::Seconds,
        "Age of the oldest event a view has yet to see.",
    ),
    meter(
        "voxledger_outbox_age_seconds",
        Gauge,
        Unit::Seconds,
        "How long the oldest due effect has been due.",
    ),
    meter("voxledger_outbox_pending", Gauge, Unit::Count, "Effects that are not settled."),
    meter(
        "voxledger_carrier_ingress_total",
        Counter,
        Unit::Count,
        "Webhooks from carriers, by what became of them.",
    ),
    meter(
        "voxledger_carrier_ingress_seconds",
        Histogram(LATENCY),
        Unit::Seconds,
        "From a carrier's webhook to its answer.",
    ),
    meter(
        "voxledger_carrier_clock_ahead_seconds",
        Gauge,
        Unit::Seconds,
        "How far a carrier's clock is ahead of the node's, by its last webhook; the way here counts as behind.",
    ),
    meter(
        "voxledger_effect_attempts_total",
        Counter,
        Unit::Count,
        "Attempts to perform effects, by outcome.",
    ),
    meter(
        "voxledger_http_body_bytes_held",
        Gauge,
        Unit::Bytes,
        "What bodies of requests under way hold of their budget.",
    ),
    meter(
        "voxledger_http_bodies_refused_total",
        Counter,
        Unit::Count,
        "Bodies that were given up, because they came too slowly or there was no room for them.",
    ),
    meter("voxledger_http_streams_open", Gauge, Unit::Count, "Streams of server-sent events that are open."),
    meter(
        "voxledger_idempotency_total",
        Counter,
        Unit::Count,
        "Requests with an idempotency key, by what the key stood for.",
    ),
    meter(
        "voxledger_answers_cut_total",
        Counter,
        Unit::Count,
        "Answers that ended because the right to them did, by the code a new request gets.",
    ),
    meter(
        "voxledger_jwks_fetches_total",
        Counter,
        Unit::Count,
        "Fetches of the identity provider's keys, by outcome.",
    ),
    meter(
        "voxledger_limit_refusals_total",
        Counter,
        Unit::Count,
        "Requests answered 429, by the limit that refused them.",
    ),
    meter(
        "voxledger_limit_exchanges_total",
        Counter,
        Unit::Count,
        "Exchanges of rates with the other nodes, by outcome.",
    ),
    meter(
        "voxledger_webhook_attempts_total",
        Counter,
        Unit::Count,
        "Attempts to deliver to clients' endpoints, by outcome.",
    ),
    meter(
        "voxledger_webhook_attempt_seconds",
        Histogram(LATENCY),
        Unit::Seconds,
        "Until an endpoint answered, or none was to come.",
    ),
    meter(
        "voxledger_webhook_first_attempt_seconds",
        Histogram(LATENCY),
        Unit::Seconds,
        "From an event's being recorded to its first attempt.",
    ),
    meter("voxledger_webhook_pending", Gauge, Unit::Count, "Deliveries not at their end."),
    meter(
        "voxledger_webhook_oldest_due_seconds",
        Gauge,
        Unit::Seconds,
        "How long the longest overdue delivery is overdue; held and waiting endpoints count.",
    ),
    meter(
        "voxledger_breakers_open",
        Gauge,
        Unit::Count,
        "Circuit breakers that are not closed, by what they guard: carrier, model or webhook.",
    ),
    meter("voxledger_sealed_position", Gauge, Unit::Count, "The last event the newest signed head covers."),
    meter(
        "voxledger_seal_seconds",
        Histogram(LATENCY),
        Unit::Seconds,
        "Signing and storing a head of the log.",
    ),
    meter(
        "voxledger_history_rechecked_total",
        Counter,
        Unit::Count,
        "Events on the disk that were held against the sealed tree again.",
    ),
    meter(
        "voxledger_history_faults",
        Gauge,
        Unit::Count,
        "Places of the history that are not what was sealed, as far as this node has looked.",
    ),
    meter("voxledger_witness_total", Counter, Unit::Count, "Signed heads handed to witnesses, by outcome."),
    meter(
        "voxledger_http_requests_total",
        Counter,
        Unit::Count,
        "Requests answered, by route, method and status.",
    ),
    meter(
        "voxledger_http_request_seconds",
        Histogram(LATENCY),
        Unit::Seconds,
        "From a request's head to its response, by route and method.",
    ),
    meter(
        "voxledger_http_concurrency",
        Gauge,
        Unit::Count,
        "API requests that may be carried out at once; fewer while threads are late.",
    ),
    meter("voxledger_http_in_flight", Gauge, Unit::Count, "API requests that are being carried out."),
    meter("voxledger_http_waiting", Gauge, Unit::Count, "API requests that wait to be carried out."),
    meter(
        "voxledger_http_refused_total",
        Counter,
        Unit::Count,
        "API requests refused because they could not be carried out in time.",
    ),
    meter(
        "voxledger_log_lines_lost_total",
        Counter,
        Unit::Count,
        "Lines of the log that were lost because nobody read them.",
    ),
];

/// How often samples are put into their buckets when nobody asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of the process. Cheap to clone.
#[derive(Clone)]
pub struct Meters {
    handle: PrometheusHandle,
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meters")
    }
}

impl Meters {
    /// A recorder that nobody uses yet, for tests of single parts.
    ///
    /// # Errors
    /// [`TelemetryError::Meters`] when the buckets are refused.
    pub fn recorder() -> Result<(Self, PrometheusRecorder), TelemetryError> {
        let mut builder = PrometheusBuilder::new();
        for meter in METERS {
            if let Histogram(buckets) = meter.kind {
                builder = builder
                    .set_buckets_for_metric(Matcher::Full(meter.name.to_owned()), buckets)
                    .map_err(|error| TelemetryError::Meters(error.to_string()))?;
            }
        }
        let recorder = builder.build_recorder();
        metrics::with_local_recorder(&recorder, || {
            for meter in METERS {
                match meter.kind {
                    Counter => describe_counter!(meter.name, meter.unit, meter.help),
                    Gauge => describe_gauge!(meter.name, meter.unit, meter.help),
                    Histogram(_) => describe_histogram!(meter.name, meter.unit, meter.help),
                }
            }
        });
        Ok((Self { handle: recorder.handle() }, recorder))
    }

    /// Makes this process record its metrics. The upkeep goes on until what is returned beside them is dropped.
    pub(super) fn install() -> Result<(Self, Upkeep), TelemetryError> {
        let (meters, recorder) = Self::recorder()?;
        metrics::set_global_recorder(recorder).map_err(|error| TelemetryError::Meters(error.to_string()))?;
        let upkeep = Upkeep::start(meters.handle.clone()).map_err(TelemetryError::Thread)?;
        Ok((meters, upkeep))
    }

    /// The text a Prometheus server reads.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }
}

/// Samples of histograms are kept one by one until somebody asks. When nobody does, this thread sorts them into
/// their buckets, so that they do not fill the memory.
pub(super) struct Upkeep {
    _stop: Sender<()>,
}

impl Upkeep {
    fn start(handle: PrometheusHandle) -> std::io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            while stopped.recv_timeout(UPKEEP) == Err(RecvTimeoutError::Timeout) {
                handle.run_upkeep();
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

#[cfg(test)]
mod tests {
    use adapters::telephony::breaker::{Breaker, BreakerConfig};

    use super::*;

    #[test]
    fn every_histogram_is_shown_in_buckets_and_every_metric_with_its_sentence() {
        let (meters, recorder) = Meters::recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            for meter in METERS {
                match meter.kind {
                    Counter => metrics::counter!(meter.name).increment(1),
                    Gauge => metrics::gauge!(meter.name).set(1.0),
                    Histogram(_) => metrics::histogram!(meter.name).record(0.003),
                }
            }
        });
        let text = meters.render();
        for meter in METERS {
            assert!(
                text.contains(&format!("# HELP {} {}", meter.name, meter.help)),
                "{}\n{text}",
                meter.name
            );
            if let Histogram(buckets) = meter.kind {
                assert_eq!(text.matches(&format!("{}_bucket{{le=", meter.name)).count(), buckets.len() + 1);
            }
        }
    }

    #[test]
    fn breakers_that_are_not_closed_are_counted_by_what_they_guard() {
        let at = std::time::Instant::now();
        let (meters, recorder) = Meters::recorder().unwrap();
        let shows = |number: &str| {
            let line = format!("voxledger_breakers_open{{guards=\"carrier\"}} {number}");
            let text = meters.render();
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        };
        metrics::with_local_recorder(&recorder, || {
            let config = BreakerConfig { failures: 1, open_for: Duration::from_secs(1) };
            let (one, other) = (Breaker::new("carrier", config), Breaker::new("carrier", config));
            shows("0");
            one.admit(at).unwrap().failure(at);
            other.admit(at).unwrap().failure(at);
            shows("2");
            // tried again in vain, then with success; and one goes away with what it guarded
            one.admit(at + Duration::from_secs(2)).unwrap().failure(at);
            shows("2");
            one.admit(at + Duration::from_secs(4)).unwrap().success(at);
            shows("1");
            drop(other);
            shows("0");
        });
    }
}
