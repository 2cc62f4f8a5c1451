//! The one mechanism every aggregate is built with: decide, evolve, fold.

use std::fmt;

use crate::wire::DomainEvent;

/// The rules of one category of streams.
///
/// `decide` is pure: time, ids and looked-up facts arrive inside the command. `evolve` is total: it applies any
/// event to any state and cannot refuse.
pub trait Aggregate: Default + Clone + fmt::Debug + Send + Unpin + 'static {
    /// Stream category: the part of a stream's name before the dash.
    const CATEGORY: &'static str;
    type Command: fmt::Debug + Send + Clone + Unpin;
    type Event: DomainEvent + Clone + fmt::Debug + Unpin;
    /// Why a command is refused.
    type Refusal: std::error::Error + Clone + Send + Sync + 'static;

    /// Decides which events a command leads to: none when it changes nothing. Fails with the rule that forbids it.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Applies one event to the state.
    fn evolve(&mut self, event: &Self::Event);

    /// The state as bytes, for aggregates whose streams grow long. `None`: streams are always
    /// read from their beginning.
    fn to_snapshot(&self) -> Option<Vec<u8>> {
        None
    }

    /// Restores the state from the bytes that [`Aggregate::to_snapshot`] of the same build wrote;
    /// `None` if it cannot.
    fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        let _ = bytes;
        None
    }
}

/// Hash of this build's rules: a build reads only snapshots that were written under the same hash.
pub const RULES: &str = env!("VOXLEDGER_RULES");
