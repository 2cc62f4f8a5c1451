//! Scarce things shared fairly: who brings much waits behind its own, not before others.

mod lanes;
mod turns;

pub use lanes::Lanes;
pub use turns::{Busy, InUse, Turn, Turns, TurnsLimits};
