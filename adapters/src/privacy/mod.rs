//! Personal fields of events are sealed on their way into the log and opened on their way out of it.
//!
//! [`PrivateLog`] stands before any engine. The domain writes and reads `{"plain": value}`; what is stored is
//! `{"sealed": bytes}`, under the key of the subject the value belongs to ([`domain::privacy::whose`]). A value whose
//! key was destroyed is handed on as it is stored, and reads as erased.

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

pub use data::DataEverywhere;
pub use reapply::Reapplied;
pub use scan::Hit;
pub use snapshots::SealedSnapshots;
pub use store::PrivateLog;
