//! Test helpers for this and other crates (feature `testing`).

pub mod call_lives;
pub mod counting_log;
pub mod ports;
pub mod postgres;
