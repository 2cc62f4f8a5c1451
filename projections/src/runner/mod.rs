//! Keeps the views up to date with the log.
//!
//! Each view has a task on every node; a lease lets one of them work. The task follows the log from the stored
//! checkpoint and commits rows and checkpoint together, so that every event counts exactly once, whatever fails in
//! between. At an event that it cannot read it stops and reports; while a store is unavailable it waits.
//!
//! Waiting here (for a lease, for a store to come back) is real time, not the `Clock`'s: it is about machines, not
//! about calls. The clock only measures how far behind a view is.

mod backoff;
mod cache;
mod feed;
mod handle;
mod progress;
mod rebuild;
mod report;
mod rows;
mod settings;
mod traces;
mod worker;

pub use handle::{Deps, Runner, projection_names, start};
pub use progress::Progress;
pub use rebuild::{
    RebuildError, RebuildProgress, RebuildReport, compare, discard_unused, drop_other_history, rebuild,
};
pub use settings::{Settings, TraceHooks};
