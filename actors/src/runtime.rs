//! What every component here needs around it.

use std::sync::Arc;

use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use domain::ports::ids::Ids;
use domain::ports::snapshots::Snapshots;

use crate::context::CommandContext;

/// How trace context gets into events and out of them again. Telemetry is chosen at the edge; without it both
/// do nothing.
#[derive(Debug, Clone, Copy)]
pub struct TraceHooks {
    /// Whether traces are recorded. What is only for them is left out when they are not.
    pub recording: fn() -> bool,
    /// The W3C `traceparent` of the current span, if it is being traced.
    pub current: fn() -> Option<String>,
    /// Makes a span a child of the given `traceparent`.
    pub adopt: fn(&tracing::Span, &str),
}

impl Default for TraceHooks {
    fn default() -> Self {
        Self { recording: || false, current: || None, adopt: |_, _| {} }
    }
}

impl TraceHooks {
    /// The current trace, to be kept with what is written now.
    pub(crate) fn current(&self) -> Option<String> {
        if (self.recording)() { (self.current)() } else { None }
    }

    /// The circumstances of a command, with the trace of the step at hand if there is one.
    pub(crate) fn carried_by(&self, context: CommandContext) -> CommandContext {
        match self.current() {
            Some(current) => CommandContext { traceparent: Some(current), ..context },
            None => context,
        }
    }

    /// A span of a trace that began earlier or elsewhere, if traces are recorded: `make` makes it without a parent.
    /// Without a `traceparent` it begins a trace.
    pub(crate) fn continuing(
        &self,
        traceparent: Option<&str>,
        make: impl FnOnce() -> tracing::Span,
    ) -> tracing::Span {
        let span = self.span(make);
        if let Some(traceparent) = traceparent.filter(|_| !span.is_none()) {
            (self.adopt)(&span, traceparent);
        }
        span
    }

    /// The span `make` makes, if traces are recorded.
    pub(crate) fn span(&self, make: impl FnOnce() -> tracing::Span) -> tracing::Span {
        if (self.recording)() { make() } else { tracing::Span::none() }
    }
}

/// The log, the time, new ids and who we are.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// This incarnation of the node; changes with every start.
    pub node: Arc<str>,
    /// Trace context.
    pub trace: TraceHooks,
    /// States of long streams; `None`: every stream is read from its beginning.
    pub snapshots: Option<Arc<dyn Snapshots>>,
}
