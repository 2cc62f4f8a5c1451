//! Metrics of the projections.

use domain::envelope::{Position, Time};

/// Reports a view's position, and how far it is behind in events and seconds.
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
    metrics::gauge!(domain::metrics::PROJECTION_POSITION, "projection" => projection).set(position.0 as f64);
    metrics::gauge!(domain::metrics::PROJECTION_LAG_EVENTS, "projection" => projection).set(events as f64);
    metrics::gauge!(domain::metrics::PROJECTION_LAG_SECONDS, "projection" => projection).set(seconds);
}

/// Reports whether a view is stalled until an operator acts.
pub(super) fn stalled(projection: &'static str, stalled: bool) {
    metrics::gauge!(domain::metrics::PROJECTION_STALLED, "projection" => projection)
        .set(f64::from(u8::from(stalled)));
}

/// Creates the view's counters, so that they exist before their first increment.
pub(super) fn begin(projection: &'static str) {
    metrics::counter!(domain::metrics::PROJECTION_MADE_ANEW, "projection" => projection).increment(0);
}

/// Counts that a view held events that are not in the log, and begins anew.
pub(super) fn made_anew(projection: &'static str) {
    metrics::counter!(domain::metrics::PROJECTION_MADE_ANEW, "projection" => projection).increment(1);
}
