//! What is remembered of a customer: short sentences with the messages that show them. Each is a stream of its own, so that
//! a customer with many of them stays small.

mod event;
mod likeness;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    MemoryConfirmed, MemoryEvent, MemoryExpired, MemoryForgotten, MemoryKind, MemoryRecorded, MemorySource,
    MemorySuperseded, MemoryUpdated,
};
pub use likeness::says_the_same;
pub use rules::{
    MAX_CONTENT, MAX_EVIDENCE, Memory, MemoryCommand, MemoryFault, MemoryPatch, MemoryRefusal, MemoryStatus,
    MemoryTerms, NewMemory,
};
