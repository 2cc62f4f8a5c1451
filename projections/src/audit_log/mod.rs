//! The audit log: who did what to what, from where and when, taken from the events that record business actions.
//!
//! The log shows only what the table in `actions` names, field by field: an event or a field that is not listed
//! there, above all a secret, never enters the view. Retention runs remove old rows, and the query decides how far
//! back the log is shown.

mod actions;
mod queries;
#[cfg(test)]
mod tests;
mod view;

pub use actions::{Action, UnknownAction};
pub use queries::{AuditFilter, AuditQueries, By, On};
pub use view::{AuditActor, AuditEntry, AuditLog, AuditRow, Resource};
