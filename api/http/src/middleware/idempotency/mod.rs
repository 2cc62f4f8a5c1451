//! `Idempotency-Key`: a POST that is sent again gives the same answer and has no second effect.
//!
//! `key` reads the key and identifies the request, `stored` is the stored form of an answer,
//! `service` is the middleware.

mod key;
mod service;
mod stored;

pub use key::{IDEMPOTENCY_KEY, X_IDEMPOTENCY_KEY};
pub(super) use service::whole;
pub use service::{Idempotency, Idempotent};
pub use stored::IDEMPOTENT_REPLAYED;

#[cfg(test)]
mod tests;
