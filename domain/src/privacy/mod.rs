//! Which person a personal value belongs to. This decides the key it is encrypted under, and so
//! what an erasure takes.
//!
//! [`subject_rule`](fn@subject_rule) names, for every personal field of every event, the person it belongs to; a
//! field that is not named there cannot be stored. [`about`] tells which person a stream is about.

pub mod content;
mod context;
pub mod job;
pub mod policy;
mod subject;
mod subject_rule;

pub use context::{
    About, CUSTOMER_ENTRY, CUSTOMER_FIELDS, Leads, Side, about, customer, is_about_somebody, leads,
    named_customer,
};
pub use subject::Subject;
pub use subject_rule::{SubjectRule, mentioned, subject_rule};

/// Shown in place of an erased value in views, exports and public events.
pub const ERASED: &str = "[erased]";

/// Shown for a value that nobody has tried to open, as in a bundle that is read without any key.
pub const SEALED: &str = "[sealed]";
