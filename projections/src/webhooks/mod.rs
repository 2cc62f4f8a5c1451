//! Webhooks to clients: the endpoints, the public events, and how deliveries look.
//!
//! Endpoints are a view like any other. Deliveries, their attempts and the public events follow from several
//! streams at once. The process manager that derives them writes their rows
//! ([`DeliveryStore`](domain::ports::deliveries::DeliveryStore)); here they are only read.

mod catalogue;
mod credits;
mod deliveries;
mod delivery_history;
mod endpoints;
mod errors;
mod example_documents;
mod example_talks;
mod examples;
mod memory;
mod occurrences;
mod public;
mod published;
mod publisher;
mod queries;
#[cfg(test)]
mod tests;

pub use catalogue::{EventSchema, EventType, event_schemas, event_types};
pub use credits::SpendScopeView;
pub use deliveries::{AttemptView, DeliveryView};
pub use delivery_history::{DeliveryEntry, Happened, attempts_among, delivery_entries, is_test};
pub use endpoints::{EndpointRow, EndpointView, Endpoints};
pub use errors::{ERROR_CODES, ErrorView, PassedOverView};
pub use examples::example;
pub use occurrences::FunctionView;
pub use public::{PublicBody, Subject};
pub use publisher::Publisher;
pub use queries::{AttemptFilter, DeliveryFilter, DeliveryQueries, DeliverySummary, EventPage};
