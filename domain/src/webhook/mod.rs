//! Webhooks to clients: endpoints, public events, and how an event gets delivered.

pub mod delivery;
pub mod endpoint;
pub mod filter;
pub mod headers;
pub mod public;
pub mod schedule;
pub mod secrets;
pub mod signing;
