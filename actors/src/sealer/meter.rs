//! Metrics of the sealer.

use std::time::Duration;

pub(super) fn sealed(size: u64, took: Duration) {
    metrics::gauge!(domain::metrics::SEALED_POSITION).set(size as f64);
    metrics::histogram!(domain::metrics::SEAL_SECONDS).record(took);
}

pub(super) fn told(witness: &'static str, outcome: &'static str) {
    metrics::counter!(domain::metrics::WITNESS, "witness" => witness, "outcome" => outcome).increment(1);
}

pub(super) fn rechecked(events: u64) {
    metrics::counter!(domain::metrics::HISTORY_RECHECKED).increment(events);
}

pub(super) fn faults(known: usize) {
    metrics::gauge!(domain::metrics::HISTORY_FAULTS).set(known as f64);
}
