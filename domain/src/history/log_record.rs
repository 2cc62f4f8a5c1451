//! What the log says of itself: heads of its own tree, and that an operator accepted it as it is.
//!
//! Both carry signed checkpoints: who writes the log but has no key cannot make up either.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::envelope::Time;
use crate::merkle::Hash;
use crate::wire::events;

events! {
    /// A fact about the log as a whole, in the stream of its [`LogId`](crate::ids::LogId).
    pub enum LogEvent {
        /// A head of the log stands in the log itself.
        Anchored(LogAnchored) = "log.anchored" v 1,
        /// The log is not the one that was sealed, and an operator accepted it as it is: a new tree begins.
        Accepted(LogAccepted) = "log.accepted" v 1,
    }
}

/// See [`LogEvent::Anchored`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAnchored {
    /// How many events the head covers: all before this one, or fewer.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The signed checkpoint.
    pub note: String,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`LogEvent::Accepted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAccepted {
    /// How many events the log had when it was accepted.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The signed checkpoint of what was accepted.
    pub note: String,
    /// How many events the largest head covered that was signed before.
    pub superseded_size: u64,
    /// The root over those, if it is known.
    pub superseded_root: Option<Hash>,
    /// Its signed checkpoint, if that was found.
    pub superseded_note: Option<String>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
