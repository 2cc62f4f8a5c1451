//! `voxledger audit`: history.

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
use crate::cli::out::say;
use crate::config::Config;
use crate::node::log_key;

pub use accept::AcceptLogArgs;
pub use export::ExportArgs;
pub use verify::VerifyArgs;
pub use verify_export::VerifyExportArgs;

/// How a command ends that found something wrong, unlike one that could not look (1).
const FAULTS: u8 = 2;

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

/// What to do with history. But for `accept-log` it is only read, beside running nodes.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditAction {
    /// Tell a resource's history, step by step, or what it was at a moment.
    ///
    /// This shows who was called and what was said.
    Replay(ReplayArgs),
    /// Check the whole log: against its Merkle tree, its signed heads and, if asked, its views.
    ///
    /// Ends with 0 when nothing is wrong, with 2 after a line for each fault, with 1 when it could not be checked.
    Verify(VerifyArgs),
    /// Write events, with all that proves them, into one file.
    Export(ExportArgs),
    /// Check a file of `audit export`, with no database and no node.
    ///
    /// Ends with 0 when it is proven, with 2 when it proves nothing, with 1 when it could not be checked.
    VerifyExport(VerifyExportArgs),
    /// Take a log for what it is although it is not what was sealed, and begin a new tree over it: with no node running.
    ///
    /// Without flags it says what does not agree, and what to type. Ends with 2 then, with 0 when nothing is wrong.
    AcceptLog(AcceptLogArgs),
    /// Print the key that checks the log's signed checkpoints.
    Key,
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

/// The key to check heads with: as given, as text or in a file, or else the node's own for the log `log`.
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
