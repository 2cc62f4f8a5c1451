//! What tests of any crate need of the rules: time and ids they can steer, and work kept in memory.

#[cfg(feature = "conformance")]
pub mod clock;
pub mod ids;
pub mod work;
