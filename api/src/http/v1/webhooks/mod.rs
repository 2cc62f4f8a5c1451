//! Webhooks, both ways: from carriers, whose signature is their credential, and to clients' endpoints.

pub mod deliveries;
pub mod endpoints;
pub mod event_types;
pub mod public_events;
pub mod telnyx;
