//! Webhooks to clients: their endpoints, what they hear of, and how an event gets to them.

pub mod delivery;
pub mod endpoint;
pub mod filter;
pub mod headers;
pub mod public;
pub mod schedule;
pub mod secrets;
pub mod signing;
