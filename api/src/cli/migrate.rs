//! `voxledger migrate`: the schema of the stores.

use clap::{Args, Subcommand};

use super::config_args::StoreArgs;

/// Flags of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: MigrateAction,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What to do with the schema.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum MigrateAction {
    /// Bring it up to date.
    Up,
    /// Take the newest step back.
    Down,
    /// Show which steps are done.
    Status,
}
