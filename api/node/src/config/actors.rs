//! Settings of actors and effects.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::setting::section;

section! {
    /// Actors and the effects they lead to.
    pub struct ActorsConfig {
        /// How long an actor without work stays in memory.
        idle: Duration = "actors.idle_ms", "30000";
        /// Effects performed at the same time.
        effects: NonZeroUsize = "actors.effects", "64";
        /// How long a call to a carrier may take.
        carrier_timeout: Duration = "actors.carrier_timeout_ms", "10000";
    }
}
