//! History as auditors ask for it: which events, and bundles of them that are checked without a database.

mod bundle;
mod check;
mod export;
mod filter;
mod log_record;

#[cfg(test)]
mod tests;

pub use bundle::{BundledEvent, End, FORMAT, Gap, Line, Manifest};
pub use check::{BundleError, Checked, check_bundle};
pub use export::{Export, ExportCommand, ExportEvent, ExportRefusal, ExportRequested};
pub use filter::HistoryFilter;
pub use log_record::{LogAccepted, LogAnchored, LogEvent};
