//! A KurrentDB server for tests: it speaks the database's gRPC protocol to any client, keeps the server's rules for
//! appends, reads and subscriptions, and fails on demand.
//!
//! It keeps everything in memory, knows no projections and no persistent subscriptions, and answers uncompressed.

#![expect(clippy::result_large_err, reason = "tonic's errors are as large as they are")]

mod append;
mod batch;
mod cluster;
mod faults;
mod filter;
mod log;
mod messages;
mod metadata;
mod reads;
mod server;
mod service;
mod status;
mod subscriptions;
mod writes;

pub use cluster::Settings;
pub use faults::{AppendFault, Faults};
pub use log::{Expected, Log, NewEvent, Record};
pub use server::FakeKurrentDb;
