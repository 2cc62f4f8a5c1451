//! The dependencies that every component here needs.

use std::sync::Arc;

use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use domain::ports::ids::Ids;
use domain::ports::snapshots::Snapshots;

use crate::context::CommandContext;

/// Functions that read and set trace context. The composition root chooses them; by default they do nothing.
#[derive(Debug, Clone, Copy)]
pub struct TraceHooks {
    /// Whether traces are recorded. If not, work that only traces need is skipped.
    pub recording: fn() -> bool,
    /// The W3C `traceparent` of the current span; `None` when it is not being traced.
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
    /// The `traceparent` to store with what is written now.
    pub(crate) fn current(&self) -> Option<String> {
        if (self.recording)() { (self.current)() } else { None }
    }

    /// The context with the current trace; unchanged when nothing is being traced.
    pub(crate) fn carried_by(&self, context: CommandContext) -> CommandContext {
        match self.current() {
            Some(current) => CommandContext { traceparent: Some(current), ..context },
            None => context,
        }
    }

    /// Continues a trace that began earlier or elsewhere, if traces are recorded: `make` creates the span without
    /// a parent. Without a `traceparent` the span begins a trace.
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

    /// The span that `make` creates; a disabled span when traces are not recorded.
    pub(crate) fn span(&self, make: impl FnOnce() -> tracing::Span) -> tracing::Span {
        if (self.recording)() { make() } else { tracing::Span::none() }
    }
}

/// The dependencies of every component: event store, clock, ids, node and traces.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub store: Arc<dyn EventStore>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// This incarnation of the node; changes with every start.
    pub node: Arc<str>,
    pub trace: TraceHooks,
    /// Cache of the states of long streams; `None`: every stream is read from its beginning.
    pub snapshots: Option<Arc<dyn Snapshots>>,
}
