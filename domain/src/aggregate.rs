//! The one mechanism every aggregate is built with: decide, evolve, fold.

use std::fmt;

use crate::wire::DomainEvent;

/// The rules of one kind of stream.
///
/// `decide` is pure: time, ids and looked-up facts arrive inside the command. `evolve` is total: it applies any
/// fact to any state and cannot refuse.
pub trait Aggregate: Default + Clone + fmt::Debug + Send + Unpin + 'static {
    /// Category of the stream, the part before the dash.
    const CATEGORY: &'static str;
    /// What may be asked.
    type Command: fmt::Debug + Send + Clone + Unpin;
    /// What may have happened.
    type Event: DomainEvent + Clone + fmt::Debug + Unpin;
    /// Why something asked for is refused.
    type Refusal: std::error::Error + Clone + Send + Sync + 'static;

    /// What follows from `command`: facts, possibly none when it is no news, or a refusal.
    ///
    /// # Errors
    /// The refusal says which rule is in the way.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Applies a fact.
    fn evolve(&mut self, event: &Self::Event);

    /// The state in bytes, for a kind whose streams grow long. `None`: its streams are always read from their beginning.
    fn to_snapshot(&self) -> Option<Vec<u8>> {
        None
    }

    /// The state that [`Aggregate::to_snapshot`] of the same build made these bytes of.
    fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        let _ = bytes;
        None
    }
}

/// Names the rules of this build: another version of them may read its own snapshots only.
pub const RULES: &str = env!("VOXLEDGER_RULES");
