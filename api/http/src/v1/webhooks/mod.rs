//! Webhooks in both directions: received from carriers, which sign them, and sent to clients' endpoints.

pub mod deliveries;
pub mod endpoints;
pub mod event_types;
pub mod hubspot;
mod ingress;
pub mod public_events;
pub mod stripe;
pub mod telnyx;
pub mod ultravox;

pub(crate) use endpoints::EndpointResource;
