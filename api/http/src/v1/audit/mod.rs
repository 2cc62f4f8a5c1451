//! REST endpoints of history: business actions, events with their hashes, signed checkpoints, proofs, exports.

pub mod checkpoints;
pub mod events;
pub mod exports;
pub mod log;
pub mod proofs;
