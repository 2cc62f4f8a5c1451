//! Fair sharing of scarce resources: a sender that brings much waits behind its own items.

mod lanes;
mod turns;

pub use lanes::Lanes;
pub use turns::{Busy, InUse, Turn, Turns, TurnsLimits};
