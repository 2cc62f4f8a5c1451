//! What tests of this and other crates build on (feature `testing`).

pub mod postgres;
