//! Live calls: an actor each, found through the registry.

mod registry;
mod shell;

pub use registry::{Calls, CallsOptions};
