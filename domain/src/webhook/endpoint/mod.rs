//! An endpoint: where a client's events are delivered to, and which.

mod event;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    CustomHeaders, DisabledFor, EndpointCreated, EndpointDeleted, EndpointDisabled, EndpointEvent,
    EndpointTerms, EndpointUpdated, Ordering, ReplayRequested,
};
pub use rules::{
    Endpoint, EndpointCommand, EndpointPatch, EndpointRefusal, MAX_DESCRIPTION, MAX_RATE, MAX_URL,
};
