//! Live streams: an actor each, found through a registry.

mod registry;
mod shell;

pub use registry::{Actors, LiveOptions, Observer, Written};
