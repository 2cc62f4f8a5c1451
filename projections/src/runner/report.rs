//! How far behind a view is, as metrics.

use domain::envelope::{Position, Time};

/// Tells how far a view has come and how far it is behind.
pub(super) fn lag(
    projection: &'static str,
    position: Position,
    head: Position,
    oldest_waiting: Option<Time>,
    now: Time,
) {
    let events = head.0.saturating_sub(position.0);
    let seconds = oldest_waiting
        .filter(|_| events > 0)
        .and_then(|since| (now - since).to_std().ok())
        .map_or(0.0, |lag| lag.as_secs_f64());
    // gauges are floats; a position up to 2^53 is exact
    metrics::gauge!("voxledger_projection_position", "projection" => projection).set(position.0 as f64);
    metrics::gauge!("voxledger_projection_lag_events", "projection" => projection).set(events as f64);
    metrics::gauge!("voxledger_projection_lag_seconds", "projection" => projection).set(seconds);
}

/// Whether a view stands still until an operator does something.
pub(super) fn stalled(projection: &'static str, stalled: bool) {
    metrics::gauge!("voxledger_projection_stalled", "projection" => projection)
        .set(f64::from(u8::from(stalled)));
}

/// A view held events that are not in the log, and begins anew.
pub(super) fn made_anew(projection: &'static str) {
    metrics::counter!("voxledger_projection_made_anew_total", "projection" => projection).increment(1);
}
