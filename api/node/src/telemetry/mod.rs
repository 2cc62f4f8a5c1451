//! Logs, traces and metrics: set up once, flushed on every way out of the process.
//!
//! None of them can block the call path: lines go through a bounded queue to a thread of their own, spans likewise,
//! and metrics are counters in memory. A full queue drops new entries and counts them.

mod json_lines;
mod log_writer;
mod panic_hook;
mod start;
mod traces;

pub use adapters::trace::context as trace_context;
pub use start::{Telemetry, TelemetryError};
