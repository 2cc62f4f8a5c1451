//! `voxledger log`: moves the log to another place.

mod copy;
mod progress;

use std::process::ExitCode;

use adapters::log_copy::BATCH;
use clap::{Args, Subcommand};

use super::serve::runtime;

/// Flags of the command `log`.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// What to do with the log.
    #[command(subcommand)]
    pub action: LogAction,
}

/// Commands about the log as a whole.
#[derive(Debug, Clone, Subcommand)]
pub enum LogAction {
    /// Copy a log to another engine or place, with everything its events have, and prove that both are the same.
    ///
    /// May be run beside the node that writes the source. Cut off at any moment, the same command goes on where it
    /// stopped. Exits with 0 when the target holds the whole log; with 3 when it holds all there was, and the source is
    /// still written: stop the node, and run the same command again; with 2 when the target holds something else, or
    /// the source is damaged; with 1 when a store could not be reached or used.
    Copy(CopyArgs),
}

/// Flags of `log copy`.
#[derive(Debug, Clone, Args)]
pub struct CopyArgs {
    /// The log to copy, which is only read: sqlite:PATH, postgres://… or kurrentdb://….
    #[arg(long, value_name = "ADDRESS")]
    pub from: String,
    /// Where to copy it: an empty place, or the beginning of the same log.
    #[arg(long, value_name = "ADDRESS")]
    pub to: String,
    /// Carry over the signed heads and their tree, too, once the whole log is there.
    #[arg(long)]
    pub seals: bool,
    /// Where the source's seals are, if not beside its log, as with KurrentDB: sqlite:PATH or postgres://….
    #[arg(long, value_name = "ADDRESS", requires = "seals")]
    pub from_seals: Option<String>,
    /// Where the target's seals are to be, if not beside its log, as with KurrentDB: sqlite:PATH or postgres://….
    #[arg(long, value_name = "ADDRESS", requires = "seals")]
    pub to_seals: Option<String>,
    /// The most events to write at once.
    #[arg(long, value_name = "N", default_value_t = BATCH as u64, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub batch: u64,
}

/// Runs the subcommand. Fails when a store cannot be reached or used.
pub fn run(args: &LogArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        LogAction::Copy(args) => runtime().block_on(copy::run(args)),
    }
}
