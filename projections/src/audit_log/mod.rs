//! The audit log: who did what to what, from where and when, taken from the events that business actions leave.
//!
//! Only what the table in `actions` names is shown, field by field: an event or a field that nobody listed there,
//! above all a secret, never enters the view. Nothing is ever deleted from it either; how far back it is shown is
//! a condition of the query.

mod actions;
mod queries;
#[cfg(test)]
mod tests;
mod view;

pub use actions::{Action, UnknownAction};
pub use queries::{AuditFilter, AuditQueries, By, On};
pub use view::{AuditActor, AuditEntry, AuditLog, AuditRow, Resource};
