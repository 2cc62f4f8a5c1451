//! What tests of this and other crates build on (feature `testing`).

pub mod call_lives;
pub mod counting_log;
pub mod ports;
pub mod postgres;
