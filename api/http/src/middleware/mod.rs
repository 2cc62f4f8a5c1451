//! Middleware around every request: its id, span, metrics, log line, limits; and for a POST with an idempotency
//! key, that it runs once.
//!
//! The outermost one is written by hand, because it is on the path of every webhook: it costs one small allocation
//! for the context, and no boxed future for each concern.

mod admission;
mod edge;
mod idempotency;
mod manners;
mod newcomers;
mod once_a_second;
mod paced;
mod rate_limit;
mod request_id;
mod route_meters;

pub(crate) use admission::Sender;
pub use admission::{Admission, AdmissionLimits, Admitted};
pub use edge::Edge;
pub use idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Idempotency, Idempotent, X_IDEMPOTENCY_KEY};
pub use manners::manners;
pub use newcomers::Newcomers;
pub use paced::Paced;
pub use request_id::REQUEST_ID;
pub(crate) use route_meters::method_label;

#[cfg(test)]
mod tests;
