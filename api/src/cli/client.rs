//! `voxledger client`: clients, for operators.

use clap::{Args, Subcommand};

use super::config_args::StoreArgs;

/// Flags of `client`.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ClientAction,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What to do with clients.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientAction {
    /// Create a client and print its owner API key, once.
    Create {
        /// The company's name.
        name: String,
    },
}
