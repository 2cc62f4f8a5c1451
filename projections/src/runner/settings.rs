//! How the runner paces itself.

use std::time::Duration;

/// Functions that make commits part of the traces their events belong to. The composition root chooses them.
#[derive(Debug, Clone, Copy)]
pub struct TraceHooks {
    pub recording: fn() -> bool,
    /// Makes a span a child of the given W3C `traceparent`.
    pub adopt: fn(&tracing::Span, &str),
}

impl Default for TraceHooks {
    fn default() -> Self {
        Self { recording: || false, adopt: |_, _| {} }
    }
}

/// How the runner paces itself. The defaults suit production.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Events read at a time.
    pub page: usize,
    /// Most pages in one transaction, when that many are waiting.
    pub pages_per_commit: usize,
    /// How long a lease lasts without being renewed; it is renewed after a third of that.
    pub lease_ttl: Duration,
    /// How often a node that does not hold a lease tries for it.
    pub lease_retry: Duration,
    /// How long the stored checkpoint may lag while no event concerns the view.
    pub idle_checkpoint: Duration,
    /// How often the lag is measured, and a stalled projection looks for an operator's command.
    pub report: Duration,
    /// Pause after the first failure of the store; doubled on every failure in a row, up to 5 seconds.
    pub backoff: Duration,
    pub trace: TraceHooks,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page: 2_000,
            pages_per_commit: 5,
            lease_ttl: Duration::from_secs(5),
            lease_retry: Duration::from_secs(1),
            idle_checkpoint: Duration::from_millis(25),
            report: Duration::from_secs(1),
            backoff: Duration::from_millis(100),
            trace: TraceHooks::default(),
        }
    }
}
