//! Makes commits part of the traces their events belong to.
//!
//! A commit applies events of many traces at once, so it is a span in each of them: from just before the commit
//! until it is done.

use domain::envelope::Recorded;
use tracing::Span;

use super::settings::TraceHooks;

/// Most traces that a commit is a span of; after a long downtime its events have thousands.
const MOST: usize = 32;

/// The traces that some events belong to, without duplicates.
#[derive(Debug, Default)]
pub(super) struct Traces(Vec<String>);

impl Traces {
    /// Adds the trace of an event.
    pub(super) fn note(&mut self, event: &Recorded) {
        if self.0.len() == MOST {
            return;
        }
        let traceparent = event.metadata().ok().and_then(|metadata| metadata.traceparent);
        self.extend(Self(traceparent.into_iter().collect()));
    }

    pub(super) fn extend(&mut self, more: Self) {
        for traceparent in more.0 {
            if self.0.len() < MOST && !self.0.contains(&traceparent) {
                self.0.push(traceparent);
            }
        }
    }

    /// A span in each of the traces; the spans end when they are dropped.
    pub(super) fn spans(&self, hooks: TraceHooks, projection: &'static str) -> Vec<Span> {
        let span = |traceparent: &String| {
            let span = tracing::info_span!(
                parent: None,
                "projection.commit",
                otel.kind = "consumer",
                projection,
                messaging.system = "voxledger",
                messaging.operation.type = "process",
                messaging.destination.name = projection,
            );
            (hooks.adopt)(&span, traceparent);
            span
        };
        self.0.iter().map(span).collect()
    }
}
