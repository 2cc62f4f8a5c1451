//! `voxledger backup` and `voxledger restore`: everything that does not follow from the log, into a folder and back.
//!
//! The order keeps stores together (seals, log, keys): seals that stand behind the log are continued, keys that know
//! more than the log are harmless but for what [`KeysMark`](adapters::backup::KeysMark) takes back. Views and work are
//! not taken: the log makes them again.

mod manifest;
mod restore;
mod take;

use std::path::PathBuf;

use clap::Args;

use super::config_args::StoreArgs;
use super::serve::runtime;

/// Flags of `backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// The folder to write into; made, and empty if it is there.
    pub folder: PathBuf,
    /// Leave the master key in the data folder out: then keep it apart yourself, or the backup opens nothing.
    #[arg(long)]
    pub without_master_key: bool,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Flags of `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The folder that `backup` wrote.
    pub folder: PathBuf,
    /// Move stores that are there aside, into a folder that is named; without it they are left alone, and nothing is
    /// restored.
    #[arg(long)]
    pub replace: bool,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Takes a backup, beside a running node or without one.
///
/// # Errors
/// When it could not be taken; then nothing that could be mistaken for one is left.
pub fn backup(args: &BackupArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    runtime().block_on(take::take(&config, &args.folder, !args.without_master_key))
}

/// Restores a backup where no node runs.
///
/// # Errors
/// When it could not be restored; nothing was changed, or the same command is to be run again.
pub fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    runtime().block_on(restore::restore(&config, &args.folder, args.replace))
}
