//! Engines of the event store port.
//!
//! All engines share one writer (`writer`): a bounded queue, one task, and group commit without a timer. It decides
//! about each append of a batch separately (`resolve_batch`) and leaves three things to the engine: looking up versions and
//! ids, committing a batch, and reading.

mod backend;
mod engine;
mod kurrent;
mod memory;
mod postgres;
mod prepare;
mod queue;
mod recent;
mod resolve;
mod sqlite;
mod tail;
mod versions;
mod writer;

#[cfg(feature = "testing")]
mod fault_injecting;

pub use domain::ports::event_store::Unreadable;
pub use engine::{EventLog, Target};
pub use kurrent::{KurrentAddress, KurrentEventStore, KurrentLogTarget};
pub use memory::MemoryEventStore;
pub use postgres::{PostgresEventStore, PostgresLogTarget};
pub use recent::RecentEvents;
pub use sqlite::{SqliteEventStore, SqliteLogTarget, SqliteSettings, sqlite_library};
pub use writer::WriterLimits;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No engine of this build has such an address.
    #[error("{0}")]
    Target(String),
    /// Another process has opened this log for writing.
    #[error("{0} is already open for writing in another process; stop it, or read only")]
    InUse(std::path::PathBuf),
    /// The version of the SQLite library or the server cannot be trusted with a log.
    #[error("{0}")]
    Version(String),
    /// The files could not be created or locked.
    #[error("cannot use {path}")]
    File { path: std::path::PathBuf, source: std::io::Error },
    /// The database could not be reached or opened.
    #[error("cannot open the event log")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema of the event log up to date")]
    Schema(#[from] crate::database::MigrationError),
}

/// Why events cannot be copied into a database.
enum CopyFailure {
    Refused(domain::ports::log_target::WriteError),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for CopyFailure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Why copied events clash with what a target holds.
fn taken(events: &[domain::envelope::Recorded]) -> String {
    let [first, last] =
        [events.first(), events.last()].map(|event| event.map_or(0, |event| event.position.0));
    format!(
        "an id or a version among events {first} to {last} is taken already: in the target, or twice in the source; \
         `voxledger audit verify` tells of the source"
    )
}
