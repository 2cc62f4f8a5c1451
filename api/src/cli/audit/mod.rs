//! `voxledger audit`: history.

mod replay;
mod story;

use chrono::DateTime;
use clap::{Args, Subcommand};
use domain::envelope::Time;

use super::config_args::StoreArgs;
use super::serve::runtime;

/// Flags of `audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: AuditAction,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What to do with history. It is only read: all of it works beside running nodes.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditAction {
    /// Tell a resource's history, step by step, or what it was at a moment.
    ///
    /// This shows who was called and what was said.
    Replay(ReplayArgs),
}

/// Flags of `audit replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Its id (call_…, num_…, cli_…, key_…) or its stream (call-018f…).
    pub id: String,
    /// What it was at this time, in RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "version")]
    pub at: Option<Time>,
    /// What it was after its Nth event.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
    /// Print JSON: an event a line, or the resource.
    #[arg(long)]
    pub json: bool,
}

/// Reads history.
///
/// # Errors
/// When the log cannot be read, or there is no such resource.
pub fn run(args: &AuditArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    let AuditAction::Replay(replay) = &args.action;
    runtime().block_on(replay::run(&config, replay))
}

fn time(text: &str) -> Result<Time, &'static str> {
    let read = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    read.map_err(|_| "give a time such as 2026-01-31T12:00:00Z")
}
