//! Logs, traces and metrics: set up once, flushed on every way out.
//!
//! None of them can take the call path down: lines go through a bounded queue to a thread of their own, spans
//! likewise, and metrics are counters in memory. A full queue drops what is new and counts it.

mod json_lines;
mod log_writer;
mod meters;
mod panic_hook;
mod process;
mod start;
mod traces;

pub use adapters::trace::context as trace_context;
pub use meters::Meters;
pub use start::{Telemetry, TelemetryError};
