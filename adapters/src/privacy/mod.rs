//! Encrypts personal fields of events on their way into the log and decrypts them on their way out.
//!
//! [`EncryptingEventStore`] stands before any engine. The domain writes and reads `{"plain": value}`; the engine stores
//! `{"sealed": bytes}`, encrypted under the key of the subject that the value belongs to
//! ([`domain::privacy::subject_rule`](fn@domain::privacy::subject_rule)). A value whose key was destroyed is returned as it is stored, and reads as erased.

pub mod copies;
mod data;
mod form;
mod levels;
mod persons;
mod reapply;
mod retention;
mod scan;
mod snapshots;
mod store;
mod walk;

pub use data::ErasureTargets;
pub use reapply::Reapplied;
pub use scan::Hit;
pub use snapshots::SealedSnapshots;
pub use store::EncryptingEventStore;
