//! `Idempotency-Key`: a POST that is sent again gives the same answer and has no second effect.
//!
//! `key` reads the key and says which request it stands for, `stored` is an answer as it is kept, `service` is the
//! middleware between them.

mod key;
mod service;
mod stored;

pub use key::{IDEMPOTENCY_KEY, X_IDEMPOTENCY_KEY};
pub(super) use service::whole;
pub use service::{Idempotency, Idempotent};
pub use stored::IDEMPOTENT_REPLAYED;

#[cfg(test)]
mod tests;
