//! What a backup holds: a log as of one moment, seals that do not go beyond it, keys that are not older, and the
//! few rows of the keys that must not know more than the log.

mod keys_mark;
mod log_summary;
mod postgres;

pub use keys_mark::{KeptHeadRow, KeysMark, master_keys_of};
pub use log_summary::{LogSummary, sealed_upto};
pub use postgres::{DumpError, PgTool, Snapshot, holds_tables_of, restore_dump};
