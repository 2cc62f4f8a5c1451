//! What is measured of sealing.

use std::time::Duration;

pub(super) fn sealed(size: u64, took: Duration) {
    metrics::gauge!("voxledger_sealed_position").set(size as f64);
    metrics::histogram!("voxledger_seal_seconds").record(took);
}

pub(super) fn told(witness: &'static str, outcome: &'static str) {
    metrics::counter!("voxledger_witness_total", "witness" => witness, "outcome" => outcome).increment(1);
}

pub(super) fn rechecked(events: u64) {
    metrics::counter!("voxledger_history_rechecked_total").increment(events);
}

pub(super) fn faults(known: usize) {
    metrics::gauge!("voxledger_history_faults").set(known as f64);
}
