//! Endpoints for those who run the node: they need no key and stand outside of `/api/v1`.

mod health;
mod jwks;
mod readiness;
mod routes;

pub use health::Running;
pub use readiness::{Lag, NotReady, Readiness, ReadinessCheck};
pub use routes::{configure, openapi};
