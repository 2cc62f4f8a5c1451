//! Reading history for auditors.

mod export;
mod scan;

pub use export::{ExportError, Exporter, Part};
pub use scan::{Found, Scan, first_at};
