//! Records the metrics declared in `domain::metrics`, and renders them.

mod process;

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{fmt, thread};

use domain::metrics::{BUILD_INFO, Kind, METRICS, Metric, Unit};
use metrics::{Label, SetRecorderError, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

/// How often samples are sorted into their buckets when nobody reads the metrics.
const UPKEEP: Duration = Duration::from_secs(5);
/// Buckets of an undeclared histogram, in seconds: a summary would fall to 0 when nothing happens.
const UNDECLARED: &[f64] = &[0.01, 0.1, 1.0, 10.0];

/// Why metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum MetersError {
    /// The buckets of a histogram are invalid.
    #[error("the buckets of a histogram are invalid")]
    Buckets(#[source] BuildError),
    /// This process records metrics already.
    #[error("metrics are recorded already")]
    Twice(#[source] SetRecorderError<PrometheusRecorder>),
    /// The thread of the upkeep cannot be started.
    #[error("cannot start a thread for metrics")]
    Thread(#[source] std::io::Error),
}

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
    /// A recorder that is not installed yet, for tests of single parts. Known series start at zero. Fails when
    /// the buckets are invalid.
    pub fn recorder() -> Result<(Self, PrometheusRecorder), MetersError> {
        let refused = MetersError::Buckets;
        let mut builder = PrometheusBuilder::new().set_buckets(UNDECLARED).map_err(refused)?;
        for metric in METRICS {
            if let Kind::Histogram(buckets) = metric.kind {
                let name = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(name, buckets).map_err(refused)?;
            }
        }
        let recorder = builder.build_recorder();
        metrics::with_local_recorder(&recorder, || {
            recorded().for_each(|metric| {
                describe(metric);
                start_at_zero(metric);
            });
            metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        });
        Ok((Self { handle: recorder.handle() }, recorder))
    }

    /// Installs the recorder of this process. The upkeep runs until the returned handle is dropped.
    pub fn install() -> Result<(Self, Upkeep), MetersError> {
        let (meters, recorder) = Self::recorder()?;
        metrics::set_global_recorder(recorder).map_err(MetersError::Twice)?;
        let upkeep = Upkeep::start(meters.handle.clone()).map_err(MetersError::Thread)?;
        Ok((meters, upkeep))
    }

    /// The metrics in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        process::render(&mut text);
        text
    }
}

/// The metrics recorded as they happen; those of the process are read on request.
fn recorded() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().filter(|metric| !metric.name.starts_with("process_"))
}

fn describe(metric: &Metric) {
    let unit = match metric.unit {
        Unit::Count => metrics::Unit::Count,
        Unit::Seconds => metrics::Unit::Seconds,
        Unit::Bytes => metrics::Unit::Bytes,
    };
    match metric.kind {
        Kind::Counter => describe_counter!(metric.name, unit, metric.help),
        Kind::Gauge => describe_gauge!(metric.name, unit, metric.help),
        Kind::Histogram(_) => describe_histogram!(metric.name, unit, metric.help),
    }
}

/// Creates every series that is known beforehand, so that the first failure is a step up from zero.
fn start_at_zero(metric: &Metric) {
    let mut series: Vec<Vec<Label>> = vec![Vec::new()];
    for label in metric.labels {
        let known = (label.known)();
        let with = |one: &Vec<Label>| {
            let extended = |value: &&'static str| [&one[..], &[Label::new(label.name, *value)]].concat();
            known.iter().map(extended).collect::<Vec<_>>()
        };
        series = series.iter().flat_map(with).collect();
    }
    for labels in series {
        match metric.kind {
            Kind::Counter => metrics::counter!(metric.name, labels).increment(0),
            Kind::Gauge => metrics::gauge!(metric.name, labels).increment(0.0),
            Kind::Histogram(_) => drop(metrics::histogram!(metric.name, labels)),
        }
    }
}

/// A thread that sorts histogram samples into their buckets while nobody reads the metrics, so that samples do
/// not fill the memory.
#[derive(Debug)]
pub struct Upkeep {
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
            for metric in recorded() {
                match metric.kind {
                    Kind::Counter => metrics::counter!(metric.name).increment(1),
                    Kind::Gauge => metrics::gauge!(metric.name).set(1.0),
                    Kind::Histogram(_) => metrics::histogram!(metric.name).record(0.003),
                }
            }
            metrics::histogram!("undeclared").record(0.003);
        });
        let text = meters.render();
        for metric in METRICS {
            assert!(
                text.contains(&format!("# HELP {} {}", metric.name, metric.help)),
                "{}\n{text}",
                metric.name
            );
            if let Kind::Histogram(buckets) = metric.kind {
                assert_eq!(text.matches(&format!("{}_bucket{{le=", metric.name)).count(), buckets.len() + 1);
            }
        }
        assert!(!text.contains(" summary"), "{text}");
    }

    #[test]
    fn what_is_known_beforehand_is_there_at_zero() {
        let text = Meters::recorder().unwrap().0.render();
        for line in [
            "voxledger_calls_ended_total{reason=\"busy\"} 0",
            "voxledger_carrier_requests_total{provider=\"telnyx\",operation=\"dial\",status=\"5xx\"} 0",
            "voxledger_webhook_attempts_total{outcome=\"timeout\"} 0",
            "voxledger_http_refused_total 0",
            "voxledger_turn_seconds_count 0",
            "voxledger_calls_active 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        let build = format!("voxledger_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&build), "{text}");
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
            // retried in vain, then with success; and one goes away with what it guarded
            one.admit(at + Duration::from_secs(2)).unwrap().failure(at);
            shows("2");
            one.admit(at + Duration::from_secs(4)).unwrap().success(at);
            shows("1");
            drop(other);
            shows("0");
        });
    }
}
