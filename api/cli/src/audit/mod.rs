//! `voxledger audit`: replays, verifies and exports history.

mod accept;
mod export;
mod open;
mod replay;
mod story;
mod verify;
mod verify_export;

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::DateTime;
use clap::{Args, Subcommand};
use domain::envelope::Time;
use domain::merkle::NoteVerifier;
use uuid::Uuid;

use super::config_args::StoreArgs;
use super::serve::runtime;
use super::stores;
use crate::out::say;
use api_node::config::Config;
use api_node::log_key;

pub use accept::AcceptLogArgs;
pub use export::ExportArgs;
pub use verify::VerifyArgs;
pub use verify_export::VerifyExportArgs;

/// Exit code of a command that found a fault, unlike one that could not check (1).
const FAULTS: u8 = 2;

/// Flags of the command `audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// What to do with history.
    #[command(subcommand)]
    pub action: AuditAction,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Commands about history. All but `accept-log` only read it, beside running nodes.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditAction {
    /// Print a resource's history, step by step, or its state at a moment.
    ///
    /// This shows phone numbers and what was said.
    Replay(ReplayArgs),
    /// Verify the whole log against its Merkle tree, its signed heads and, on request, its views.
    ///
    /// Exits with 0 when nothing is wrong, with 2 after a line for each fault, with 1 when the log
    /// could not be checked.
    Verify(VerifyArgs),
    /// Export events, with everything that proves them, into one file.
    Export(ExportArgs),
    /// Verify a file of `audit export`, without a database or a node.
    ///
    /// Exits with 0 when it is proven, with 2 when it proves nothing, with 1 when it could not be checked.
    VerifyExport(VerifyExportArgs),
    /// Accept a log that differs from what was sealed, and begin a new tree over it, while no node runs.
    ///
    /// Without flags it prints the differences and the command to type, and exits with 2, or with 0
    /// when nothing is wrong.
    AcceptLog(AcceptLogArgs),
    /// Print the public key that verifies the log's signed checkpoints.
    Key,
}

/// Flags of `audit replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Id of the resource (call_…, num_…, cli_…, key_…) or its stream (call-018f…).
    pub id: String,
    /// Show the resource's state at this time, in RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "version")]
    pub at: Option<Time>,
    /// Show the resource's state after its Nth event.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
    /// Print JSON: one event per line, or the resource.
    #[arg(long)]
    pub json: bool,
}

/// Runs the subcommand. Fails when the log cannot be read, or there is no such resource.
pub fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    if let AuditAction::VerifyExport(args) = &args.action {
        return verify_export::run(args);
    }
    let config = args.stores.load(&[])?;
    runtime().block_on(async {
        match &args.action {
            AuditAction::VerifyExport(args) => verify_export::run(args),
            AuditAction::Export(args) => export::run(&config, args).await.map(|()| ExitCode::SUCCESS),
            AuditAction::Replay(args) => replay::run(&config, args).await.map(|()| ExitCode::SUCCESS),
            AuditAction::Verify(args) => verify::run(&config, args).await,
            AuditAction::AcceptLog(args) => accept::run(&config, args).await,
            AuditAction::Key => {
                say!("{}", key_of(&config, None, None).await?);
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

/// The key to verify heads with: the given one, as text or in a file, or else the node's own for the log `log`.
async fn key_of(config: &Config, given: Option<&str>, log: Option<Uuid>) -> anyhow::Result<NoteVerifier> {
    if let Some(given) = given {
        return read_key(given);
    }
    stores::must_be_current(&stores::keys(config)?).await?;
    let key = log_key(config).await.context("give the key of the log with --key")?;
    if let Some(log) = log {
        return Ok(key.verifier(log));
    }
    let audited = open::open(config).await?;
    let of = key.of(&*audited.log.store()).await;
    audited.close().await;
    of?.map(|(_, key)| key).context("the log is empty: it has a key once it has an event")
}

fn read_key(given: &str) -> anyhow::Result<NoteVerifier> {
    let text = match given.contains('+') {
        true => given.to_owned(),
        false => {
            std::fs::read_to_string(given).with_context(|| format!("cannot read the key file {given}"))?
        }
    };
    Ok(text.parse()?)
}

fn time(text: &str) -> Result<Time, &'static str> {
    let read = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    read.map_err(|_| "give a time such as 2026-01-31T12:00:00Z")
}
