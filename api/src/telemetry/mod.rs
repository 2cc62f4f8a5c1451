//! Telemetry.
pub mod trace_context;
