//! Webhooks to clients: endpoints, and deliveries with what belongs to them.

mod apply;
mod batch;
mod queries;
mod store;
