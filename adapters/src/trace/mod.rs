//! Traces at the edges: their context in and out, and spans of kind CLIENT for what is asked of others.
//!
//! Attributes follow OpenTelemetry's semantic conventions (<https://opentelemetry.io/docs/specs/semconv/>). No span
//! holds an address with its path and query, a header, a body or a number. Where no traces are exported nothing is made.
//! Numbers are recorded as `i64`: the layer that hands spans on takes `u64` for text.

pub mod context;
mod database;
mod http;
mod model;

pub(crate) use database::{database, within};
pub(crate) use http::{Peer, send};
pub(crate) use model::ModelSpan;
