//! What tests of any crate need of the rules: time and ids they can steer, scenarios told as given, when, then,
//! and calls to tell them about.

pub mod calls;
#[cfg(feature = "conformance")]
pub mod clock;
pub mod ids;
pub mod scenario;
