//! An erasure or an export of what is known of a subject: a saga whose every step is an event.
//!
//! Erasure: requested → keys destroyed → (key caches of other nodes have expired) → data found → copies cleaned →
//! completed. Export: requested → data found → completed. Events carry pseudonyms and ids of keys only.

mod event;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    CopiesCleaned, DataFound, JobCompleted, JobKind, JobRequested, KeysDestroyed, NamedBy, PrivacyJobEvent,
};
pub use rules::{JobCommand, JobRefusal, JobStatus, PrivacyJob};
