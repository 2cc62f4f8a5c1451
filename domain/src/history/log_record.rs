//! Events about the log itself: tree heads that are anchored in it, and an operator's acceptance of a log that
//! differs from its seals.
//!
//! Both carry signed checkpoints, so nobody who writes the log without the key can make them up.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::envelope::Time;
use crate::merkle::Hash;
use crate::wire::events;

events! {
    /// Events about the log as a whole, in the stream of its [`LogId`](crate::ids::LogId).
    pub enum LogEvent {
        /// A signed head of the log was written into the log itself.
        Anchored(LogAnchored) = "log.anchored" v 1,
        /// The log differs from the one that was sealed, and an operator accepted it as it is: a new tree begins.
        Accepted(LogAccepted) = "log.accepted" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAnchored {
    /// Number of events the head covers: at most those before this event.
    pub size: u64,
    /// Merkle root over these events.
    pub root: Hash,
    /// The head as a signed checkpoint.
    pub note: String,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAccepted {
    /// How many events the log had when it was accepted.
    pub size: u64,
    /// Merkle root over these events.
    pub root: Hash,
    /// Signed checkpoint of the accepted log.
    pub note: String,
    /// Number of events in the largest head that was signed before.
    pub superseded_size: u64,
    /// Root of that head, if it is known.
    pub superseded_root: Option<Hash>,
    /// Signed checkpoint of that head, if it was found.
    pub superseded_note: Option<String>,
    #[serde(with = "micros")]
    pub at: Time,
}
