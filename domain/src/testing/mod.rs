//! What tests of any crate need of the rules: time and ids they can steer.

#[cfg(feature = "conformance")]
pub mod clock;
pub mod ids;
