//! A delivery: one public event on its way to one endpoint.

mod event;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    Attempt, Cause, DeliveryAttempted, DeliveryCancelled, DeliveryEvent, DeliveryOf, ErrorClass, GaveUp,
    MAX_RESPONSE_BODY, RedeliveryRequested, Then,
};
pub use rules::{Delivery, DeliveryCommand, DeliveryRefusal, DeliveryStatus};
