//! Deliveries: events on their way to endpoints.

pub mod cancel;
pub mod events;
pub mod get;
mod history;
pub mod redeliver;
mod steer;
