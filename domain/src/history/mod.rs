//! History as auditors ask for it: which events, and bundles of them that are checked without a database.

mod filter;

pub use filter::HistoryFilter;
