//! Tracing at the system's edges: context in and out, and CLIENT spans for requests to other systems.
//!
//! Attributes follow OpenTelemetry's semantic conventions (<https://opentelemetry.io/docs/specs/semconv/>). No span
//! holds an address with its path and query, a header, a body or a phone number. No spans are made where no traces
//! are exported. Numbers are recorded as `i64`, because the exporting layer turns `u64` into text.

pub mod context;
mod database;
mod http;
mod model;

pub(crate) use database::{database, within};
pub(crate) use http::{Peer, send};
pub(crate) use model::ModelSpan;
