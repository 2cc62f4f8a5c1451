//! The event store suites, and what is particular to each engine.

mod memory;
mod sqlite;
