//! Webhooks to clients: the endpoints, what is told of facts, and how deliveries look.
//!
//! Endpoints are a view like any other. Deliveries, their attempts and the public events follow from several
//! streams at once; their rows are written by the process manager that derives them
//! ([`DeliveryStore`](domain::ports::deliveries::DeliveryStore)), and only read here.

mod catalogue;
mod deliveries;
mod endpoints;
mod occurrences;
mod public;
mod queries;
#[cfg(test)]
mod tests;

pub use catalogue::{EventType, event_types, example};
pub use deliveries::{AttemptView, DeliveryView};
pub use endpoints::{EndpointRow, EndpointView, Endpoints};
pub use occurrences::{ErrorView, FunctionView, PassedOverView};
pub use public::{PublicBody, Publisher, Subject};
pub use queries::{AttemptFilter, DeliveryFilter, DeliverySummary, EventPage, WebhookQueries};
