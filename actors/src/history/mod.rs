//! Reading history for auditors.

mod scan;

pub use scan::{Found, Scan, first_at};
