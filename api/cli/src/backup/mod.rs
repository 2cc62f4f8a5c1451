//! `voxledger backup` and `voxledger restore`: copy everything that cannot be derived from the log into
//! a folder and back.
//!
//! The order keeps stores consistent (seals, log, keys): seals behind the log are continued, keys that know more
//! than the log are harmless except for what [`KeysMark`](adapters::backup::KeysMark) takes back. Views and work
//! are not copied: they are derived from the log again.

mod manifest;
mod restore;
mod take;

use std::path::PathBuf;

use clap::Args;

use super::config_args::StoreArgs;
use super::serve::runtime;

/// Flags of the command `backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// The folder to write into; it is created, and must be empty if it exists.
    pub folder: PathBuf,
    /// Leave out the master key in the data folder: keep it elsewhere yourself, for without it the backup is useless.
    #[arg(long)]
    pub without_master_key: bool,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Flags of the command `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The folder that `backup` wrote.
    pub folder: PathBuf,
    /// Move existing stores aside, into a folder that the command prints; without it existing stores stay,
    /// and nothing is restored.
    #[arg(long)]
    pub replace: bool,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Takes a backup, beside a running node or without one. Fails when it could not be taken; no partial backup that
/// could be mistaken for a whole one is left.
pub fn backup(args: &BackupArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    runtime().block_on(take::take(&config, &args.folder, !args.without_master_key))
}

/// Restores a backup while no node runs. On failure either nothing was changed, or the same command must be run again.
pub fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    runtime().block_on(restore::restore(&config, &args.folder, args.replace))
}
