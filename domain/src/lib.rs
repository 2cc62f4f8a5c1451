//! The rules of Voxledger: aggregates, their events and wire form, value types, and the ports around them.
//!
//! This crate refuses to know I/O, clocks, randomness and async runtimes: what a rule needs arrives in its
//! command, and what should happen in the world leaves as data.

pub mod envelope;
pub mod ids;
pub mod ports;

#[cfg(any(test, feature = "conformance"))]
pub mod testing;
