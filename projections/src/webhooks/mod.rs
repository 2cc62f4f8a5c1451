//! Webhooks to clients: the endpoints, what is told of facts, and how deliveries look.
//!
//! Endpoints are a view like any other. Deliveries, their attempts and the public events follow from several
//! streams at once; their rows are written by the process manager that derives them
//! ([`DeliveryStore`](domain::ports::deliveries::DeliveryStore)), and only read here.

mod catalogue;
mod deliveries;
mod endpoints;
mod example_talks;
mod examples;
mod memory;
mod occurrences;
mod public;
mod publisher;
mod queries;
#[cfg(test)]
mod tests;
mod told;

pub use catalogue::{EventSchema, EventType, event_schemas, event_types};
pub use deliveries::{AttemptView, DeliveryView};
pub use endpoints::{EndpointRow, EndpointView, Endpoints};
pub use examples::example;
pub use occurrences::{ErrorView, FunctionView, PassedOverView};
pub use public::{PublicBody, Subject};
pub use publisher::Publisher;
pub use queries::{
    AttemptFilter, DeliveryFilter, DeliveryQueries, DeliverySummary, EventPage, WebhookQueries,
};
