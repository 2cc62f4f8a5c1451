//! Endpoints for the node's operators: without credentials and outside of `/api/v1`.

mod health;
mod jwks;
mod readiness;
mod routes;

pub use health::Running;
pub use readiness::{Lag, NotReady, Readiness, ReadinessCheck};
pub use routes::{configure, openapi};
