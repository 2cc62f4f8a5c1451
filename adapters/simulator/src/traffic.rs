//! How many calls a simulation places, and how fast.

use std::time::Duration;

/// The calls to place.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    pub calls: u32,
    /// New calls per second; greater than 0.
    pub rate: f64,
    /// Duration of pauses and speech as a share of real time; 0 means none.
    pub pace: f64,
    /// Seed of all random decisions; the same seed places the same calls.
    pub seed: u64,
    /// How long the node may take to show the end of every call.
    pub patience: Duration,
}

impl Traffic {
    /// Time from the start until the call with this number is placed.
    #[must_use]
    pub fn due(&self, number: u32) -> Duration {
        Duration::from_secs_f64(f64::from(number) / self.rate)
    }
}
